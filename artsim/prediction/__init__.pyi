from .by_head import (
    HeadPredictor as HeadPredictor,
)
from .by_run import (
    PHRASE as PHRASE,
)
from .by_run import (
    RunPredictor as RunPredictor,
)
from .concepts import (
    SavedConcept as SavedConcept,
)
from .concepts import (
    apply_concept as apply_concept,
)
from .concepts import (
    concept_columns as concept_columns,
)
from .concepts import (
    concept_names as concept_names,
)
from .concepts import (
    concept_rows as concept_rows,
)
from .concepts import (
    delete_concept as delete_concept,
)
from .concepts import (
    load_concept as load_concept,
)
from .concepts import (
    save_concept as save_concept,
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
from .marks import (
    Marks as Marks,
)
from .predictions import (
    COLUMNS as COLUMNS,
)
from .predictions import (
    HIERARCHY_COLUMNS as HIERARCHY_COLUMNS,
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
from .prompts import (
    TEMPLATES as TEMPLATES,
)
from .prompts import (
    Prompts as Prompts,
)
from .prompts import (
    make_prompts as make_prompts,
)
from .prompts import (
    read_prompts as read_prompts,
)
from .prompts import (
    read_templates as read_templates,
)
from .prompts import (
    templates_for as templates_for,
)
from .stored import (
    ReviewResult as ReviewResult,
)
from .stored import (
    export_review as export_review,
)
from .stored import (
    read_review as read_review,
)
from .stored import (
    save_predictions as save_predictions,
)
from .stored import (
    stored_predictions as stored_predictions,
)
from .teaching import (
    Concept as Concept,
)
from .teaching import (
    Teacher as Teacher,
)
from .zero_shot import (
    SavedZeroShot as SavedZeroShot,
)
from .zero_shot import (
    TextClasses as TextClasses,
)
from .zero_shot import (
    ZeroShot as ZeroShot,
)
from .zero_shot import (
    ZeroShotPlan as ZeroShotPlan,
)
from .zero_shot import (
    ZeroShotScores as ZeroShotScores,
)
from .zero_shot import (
    predict_rows as predict_rows,
)
from .zero_shot import (
    save_zero_shot as save_zero_shot,
)
from .zero_shot import (
    zero_shot as zero_shot,
)
