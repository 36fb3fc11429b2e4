from .comparing import (
    RunComparison as RunComparison,
)
from .comparing import (
    compare_runs as compare_runs,
)
from .confusion import (
    confusion_file as confusion_file,
)
from .data import (
    Augmentation as Augmentation,
)
from .data import (
    Batch as Batch,
)
from .data import (
    TrainingData as TrainingData,
)
from .fitting import (
    fit as fit,
)
from .fitting import (
    freeze as freeze,
)
from .fitting import (
    seed as seed,
)
from .learner import (
    Learner as Learner,
)
from .learner import (
    probabilities as probabilities,
)
from .results import (
    SINGLE as SINGLE,
)
from .results import (
    Others as Others,
)
from .results import (
    TaskScores as TaskScores,
)
from .results import (
    finish as finish,
)
from .results import (
    markdown_table as markdown_table,
)
from .results import (
    outliers_csv as outliers_csv,
)
from .results import (
    save_metrics as save_metrics,
)
from .results import (
    save_predictions as save_predictions,
)
from .results import (
    save_report as save_report,
)
from .results import (
    single_task_scores as single_task_scores,
)
from .run import (
    METRICS as METRICS,
)
from .run import (
    Precision as Precision,
)
from .run import (
    Run as Run,
)
from .run import (
    RunPlan as RunPlan,
)
from .run import (
    Stopped as Stopped,
)
from .run import (
    find_run as find_run,
)
from .run import (
    logging_to as logging_to,
)
from .run import (
    new_folder as new_folder,
)
from .run import (
    only_process as only_process,
)
from .run import (
    read_curves as read_curves,
)
from .run import (
    read_metrics as read_metrics,
)
from .run import (
    read_plan as read_plan,
)
from .run import (
    read_predictions as read_predictions,
)
from .run import (
    read_scores as read_scores,
)
from .run import (
    start_run as start_run,
)
from .run import (
    write_plan as write_plan,
)
from .schedules import (
    adamw_slower_below as adamw_slower_below,
)
from .schedules import (
    warm_then_cosine as warm_then_cosine,
)
from .settings import (
    Count as Count,
)
from .settings import (
    NonNegative as NonNegative,
)
from .settings import (
    Share as Share,
)
from .settings import (
    configure as configure,
)
from .settings import (
    read_fractions as read_fractions,
)
from .settings import (
    to_json as to_json,
)
from .shapes import (
    in_shape as in_shape,
)
from .shapes import (
    nearest_shapes as nearest_shapes,
)
from .shapes import (
    rectangles as rectangles,
)
from .shapes import (
    squashed as squashed,
)
from .tasks import (
    TrainingTask as TrainingTask,
)
from .tasks import (
    new_heads as new_heads,
)
