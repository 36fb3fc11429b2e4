"""The list of recipes: what each trains, on which data, and its published figures.

To add one, write ``NAME.py`` with a frozen dataclass ``Config`` and a function
``train(store, config, run)``, and describe it here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from artsim.errors import TrainingError

if TYPE_CHECKING:
    from artsim.store import Store
    from artsim.training import Run


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe's description."""

    name: str  # of its module, with - for _
    what: str  # one line
    data: str  # what to train it on
    published: str  # its figures, and on which test
    caveat: str  # why they cannot be compared or trusted as they are

    @property
    def known(self) -> str:
        """The published figures and their caveats, for a report."""
        return f"Published: {self.published}. Caveat: {self.caveat}."


class RecipeModule(Protocol):
    """A module of this package."""

    Config: Callable[..., Any]  # a frozen dataclass; every field has a default

    def train(self, store: Store, config: Any, run: Run) -> None:
        """Train on an index's images and write the files that `artsim.training.run` lists."""


_ALL = (
    Recipe(
        name="moma-lithograph",
        what="a small CNN that separates lithographs from all other works",
        data="moma: 'artsim fetch moma:Artworks.csv', any catalog with a medium",
        published="85.71% accuracy; validation 54.0% last, 65.0% best",
        caveat="85.71% is on the training pictures, the first 2,000 of each class",
    ),
    Recipe(
        name="wikiart-conv-recurrent",
        what="convolutions and an LSTM that predict style, genre and artist, alone or jointly",
        data="wikiart: ArtGAN's lists, or any catalog with such columns",
        published="54.50 / 74.14 / 76.11% style / genre / artist (fine-tuned CNN, ICIP 2016)",
        caveat="nearly every style picture is by an artist of the training set: predicting each "
        "artist's most frequent style scores 80.98%",
    ),
    Recipe(
        name="heritage-two-stage",
        what="the kind of a work, then fields of each kind: any tree of two stages",
        data="columns artifact, material, location, ..., or --set tree=FILE for other labels",
        published="stage 1 .97; coins material .92, frescoes location .93 and period .94, icons "
        "location .99, manuscripts location .99, language .98, description .93",
        caveat="the checkpoints were chosen on the test pictures",
    ),
    Recipe(
        name="finetune",
        what="any pretrained network fine-tuned on a label; its head starts as the linear probe",
        data="any collection with a label; --set label=artist",
        published="none: a general recipe; it must beat the linear probe on the same pictures",
        caveat="a network memorizes a few pictures: compare the scores on train and test",
    ),
    Recipe(
        name="rijks-single",
        what="an ImageNet network with a new last layer that predicts creator, material or type",
        data="rijks: Rijksmuseum records with creator, material and type",
        published="creator VGG16 95.28, ResNet50 96.79, AlexNet 90.14%; type VGG16 73.61, "
        "ResNet50 84.72, AlexNet 86.11, HOG + kNN 56.94%",
        caveat="type was tested on 72 pictures of 5 classes, 1.4 points each, some of them in the "
        "training set; pictures were read as BGR",
    ),
    Recipe(
        name="rijks-multitask",
        what="one network with three heads that predicts creator, material and type together",
        data="rijks: Rijksmuseum records with creator, material and type",
        published="creator 97.54%, material mAP 99.80, type mAP 92.85 (ResNet50, 15,261 pictures)",
        caveat="its mAP is of each picture's rounded outputs, not of each class's ranking; the "
        "weights were the last epoch's; pictures were read as BGR",
    ),
    Recipe(
        name="mame-medium",
        what="29 media predicted by a fine-tuned network, on squashed pictures or in their own "
        "shapes, compared with linear, SVM and MLP probes of frozen MobileNetV1",
        data="mame: MAMe_dataset.csv, its split, and the pictures",
        published="85.00% (linear SVM on 42 layers of a frozen Xception); 73.7-75.6% from "
        "scratch; the course required 65%",
        caveat="size and shape alone score 33%, with the museum 36.9%, and the accession number "
        "37.5%: do not use it as a feature",
    ),
    Recipe(
        name="nga-similarity",
        what="compares frozen taps, face crops and distances by whether they retrieve works that "
        "share a term; trains nothing",
        data="nga: 'artsim fetch nga:data', or any index with terms: --set labels=artist,style",
        published="HitRate@5 .976, P@5 .797, mAP@5 .748; SSIM .17-.20 (public attempts)",
        caveat="each uses its own relevance and pictures; SSIM and RMSE do not separate good "
        "results from bad: two very different systems tie at .2045",
    ),
)
RECIPES = {recipe.name: recipe for recipe in _ALL}


def find_recipe(name: str) -> Recipe:
    """Find a recipe by its name.

    Raises:
        TrainingError: If it does not exist.
    """
    if name not in RECIPES:
        raise TrainingError(f"no recipe {name!r}; choose from {', '.join(RECIPES)}")
    return RECIPES[name]


def load_recipe(name: str) -> RecipeModule:
    """Import a recipe.

    Raises:
        TrainingError: If it does not exist, or a package that it needs is not installed.
    """
    module = find_recipe(name).name.replace("-", "_")
    for package in ("lightning", "pydantic", "torchmetrics"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise TrainingError(
                f"training needs {package}; install it with pip install 'artsim[train]'"
            ) from error
    return cast(RecipeModule, importlib.import_module(f"artsim.recipes.{module}"))
