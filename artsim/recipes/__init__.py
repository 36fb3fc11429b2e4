"""Systems to train, each a file that is read from top to bottom: config, data, model, loop, save.

To add one, write ``NAME.py`` with a frozen dataclass ``Config`` and a function
``train(store, config, run)``, and say in `RECIPES` what it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from artsim.errors import TrainingError

if TYPE_CHECKING:
    from artsim.store import Store
    from artsim.training.run import Run

__all__ = ["RECIPES", "Recipe", "RecipeModule", "find_recipe", "load_recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a recipe is, for people."""

    name: str  # its module's, with - for _
    what: str  # one line
    data: str  # what it is to be trained on
    published: str  # figures, and of what
    beware: str  # what is wrong with them

    @property
    def known(self) -> str:
        """The published figures and what is wrong with them, for a report."""
        return f"Published: {self.published}. Beware: {self.beware}."


class RecipeModule(Protocol):
    """A module of this package."""

    Config: Callable[..., Any]  # a frozen dataclass whose every field has a default

    def train(self, store: Store, config: Any, run: Run) -> None:
        """Train on an index's pictures, and leave in the run what `artsim.training.run` lists."""


_ALL = (
    Recipe(
        name="moma-lithograph",
        what="a small CNN tells lithographs from the rest",
        data="moma: 'artsim fetch moma:Artworks.csv', any catalog with a medium",
        published="85.71 % accuracy; validation 54.0 % last, 65.0 % best",
        beware="85.71 % is on the training pictures, the first 2,000 of each class",
    ),
    Recipe(
        name="wikiart-conv-recurrent",
        what="convolutions read by an LSTM tell style, genre and artist, alone or jointly",
        data="wikiart: ArtGAN's lists, or any catalog with such columns",
        published="54.50 / 74.14 / 76.11 % style / genre / artist (fine-tuned CNN, ICIP 2016)",
        beware="nearly every style picture is by an artist seen in training: each artist's usual "
        "style alone scores 80.98 %",
    ),
    Recipe(
        name="heritage-two-stage",
        what="what a work is, then of each kind its own fields: any tree of two stages",
        data="columns artifact, material, location, ..., or --set tree=FILE for other labels",
        published="stage 1 .97; coins material .92, frescoes location .93 and period .94, icons "
        "location .99, manuscripts location .99, language .98, description .93",
        beware="the checkpoints were chosen on the pictures that gave the figures",
    ),
    Recipe(
        name="finetune",
        what="any pretrained network fine-tuned on a label, its head begun as the linear probe",
        data="any collection with a label; --set label=artist",
        published="none: a general recipe; the probe on the same pictures is what it must beat",
        beware="on few pictures a network learns them by heart: read the test beside the train",
    ),
    Recipe(
        name="rijks-single",
        what="an ImageNet network with a new last layer tells creator, material or type",
        data="rijks: Rijksmuseum records with creator, material and type",
        published="creator VGG16 95.28, ResNet50 96.79, AlexNet 90.14 %; type VGG16 73.61, "
        "ResNet50 84.72, AlexNet 86.11, HOG + kNN 56.94 %",
        beware="type was told among 5 classes on 72 pictures, 1.4 points each, drawn over all rows "
        "and so partly learned from; pictures were read as BGR",
    ),
    Recipe(
        name="rijks-multitask",
        what="one network with three heads tells creator, material and type together",
        data="rijks: Rijksmuseum records with creator, material and type",
        published="creator 97.54 %, material mAP 99.80, type mAP 92.85 (ResNet50, 15,261 pictures)",
        beware="its mAP is of each picture's rounded outputs, not of each class's ranking; the "
        "weights were the last epoch's; pictures were read as BGR",
    ),
    Recipe(
        name="mame-medium",
        what="29 media told by a fine-tuned network, squashed or in each picture's own shape, "
        "beside linear and MLP probes of frozen MobileNetV1",
        data="mame: MAMe_dataset.csv, its split, and the pictures",
        published="85.00 % (frozen Xception, linear SVM); 73.7-75.6 % from scratch; the course's "
        "gate 65 %",
        beware="size and shape alone tell 33 %, with the museum 36.9 %, and the accession number "
        "37.5 %: it is no feature",
    ),
    Recipe(
        name="nga-similarity",
        what="which frozen taps, face crops and distances bring up works that share a term; "
        "nothing is trained",
        data="nga: 'artsim fetch nga:data', or any index with terms: --set labels=artist,style",
        published="HitRate@5 .976, P@5 .797, mAP@5 .748; SSIM .17-.20 (public attempts)",
        beware="each on its own relevance and its own pictures; SSIM and RMSE do not tell good "
        "results from bad: two very different systems tie at .2045",
    ),
)
RECIPES = {recipe.name: recipe for recipe in _ALL}


def find_recipe(name: str) -> Recipe:
    """Find a recipe by its name.

    Raises:
        TrainingError: If there is none.
    """
    if name not in RECIPES:
        raise TrainingError(f"no recipe {name!r}; choose from {', '.join(RECIPES)}")
    return RECIPES[name]


def load_recipe(name: str) -> RecipeModule:
    """Import a recipe.

    Raises:
        TrainingError: If there is none, or what trains it is not installed.
    """
    module = find_recipe(name).name.replace("-", "_")
    for package in ("lightning", "torchmetrics"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise TrainingError(
                f"training needs {package}; install it with pip install 'artsim[train]'"
            ) from error
    return cast(RecipeModule, importlib.import_module(f"{__name__}.{module}"))
