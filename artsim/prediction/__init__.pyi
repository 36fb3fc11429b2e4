from .by_head import (
    HeadPredictor as HeadPredictor,
)
from .by_run import (
    PHRASE as PHRASE,
)
from .by_run import (
    RunPredictor as RunPredictor,
)
from .heads import (
    HeadTask as HeadTask,
)
from .heads import (
    SavedHead as SavedHead,
)
from .heads import (
    check_name as check_name,
)
from .heads import (
    check_passport as check_passport,
)
from .heads import (
    default_name as default_name,
)
from .heads import (
    find_head as find_head,
)
from .heads import (
    head_names as head_names,
)
from .heads import (
    load_head as load_head,
)
from .heads import (
    make_head as make_head,
)
from .heads import (
    save_head as save_head,
)
from .loop import (
    ImageInput as ImageInput,
)
from .loop import (
    Predictor as Predictor,
)
from .loop import (
    is_collection as is_collection,
)
from .loop import (
    predict_collection as predict_collection,
)
from .loop import (
    predict_ids as predict_ids,
)
from .loop import (
    predict_picture as predict_picture,
)
from .loop import (
    read_pictures as read_pictures,
)
from .predictions import (
    COLUMNS as COLUMNS,
)
from .predictions import (
    ClassProbability as ClassProbability,
)
from .predictions import (
    LabeledNeighbor as LabeledNeighbor,
)
from .predictions import (
    Output as Output,
)
from .predictions import (
    Prediction as Prediction,
)
from .predictions import (
    as_text as as_text,
)
