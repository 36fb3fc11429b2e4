from .registry import (
    RECIPES as RECIPES,
)
from .registry import (
    Recipe as Recipe,
)
from .registry import (
    RecipeModule as RecipeModule,
)
from .registry import (
    find_recipe as find_recipe,
)
from .registry import (
    load_recipe as load_recipe,
)
from .runner import (
    TrainingOptions as TrainingOptions,
)
from .runner import (
    TrainingResult as TrainingResult,
)
from .runner import (
    open_run_index as open_run_index,
)
from .runner import (
    resume_training as resume_training,
)
from .runner import (
    run_command as run_command,
)
from .runner import (
    train as train,
)
from .runner import (
    train_run as train_run,
)
from .tree import (
    HERITAGE as HERITAGE,
)
from .tree import (
    TREE as TREE,
)
from .tree import (
    Stage as Stage,
)
from .tree import (
    Tree as Tree,
)
from .tree import (
    read_tree as read_tree,
)
