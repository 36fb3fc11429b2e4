"""``artsim zero-shot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.options.computing import device_option, seed_option, weights_option
from artsim.cli.options.index import index_argument, index_option, open_store
from artsim.cli.options.labels import (
    group_option,
    label_option,
    min_confidence_option,
    split_options,
)
from artsim.cli.options.outputs import format_option
from artsim.cli.options.values import PICTURE, split_names
from artsim.cli.output import (
    echo,
    fixed,
    interval,
    print_counts,
    print_json_lines,
    print_notes,
    print_split,
    print_table,
)
from artsim.datatypes import plural, shell_word

if TYPE_CHECKING:
    from artsim.prediction import Prompts, SavedZeroShot, ZeroShot
    from artsim.store import Store


_NAMED = 3  # classes in a note
_TOP = 5  # classes from which a top-5 would always be right


@cloup.command("zero-shot")
@index_argument
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Labels and split",
    label_option,
    *split_options,
    group_option("Keep pictures with the same value together, as in 'artsim probe'."),
)
@cloup.option_group(
    "Words",
    click.option(
        "--classes",
        multiple=True,
        metavar="CLASS,...",
        callback=split_names,
        help="Classes to choose from instead of the label's own; for a single --label, which "
        "need not be in the catalog.",
    ),
    click.option(
        "--prompts",
        "prompts_file",
        metavar="FILE",
        type=PICTURE,
        help="CSV file with the columns class and prompt, and label for several labels.",
    ),
    click.option(
        "--template",
        "templates",
        multiple=True,
        metavar="TEXT",
        help="Prompt with {} for the class: 'a {} painting'. Repeat for more.",
    ),
    click.option(
        "--templates",
        "template_set",
        metavar="NAME",
        help="Bundled templates: style, genre, medium, object, general; or a text file "
        "with one per line.  [default: those that suit the label's name]",
    ),
)
@cloup.option_group(
    "Output",
    click.option(
        "--save",
        is_flag=True,
        help="Store the prediction of every picture in the index, as the column LABEL_predicted.",
    ),
    min_confidence_option,
    format_option,
)
@cloup.option_group("Compute", seed_option, device_option, weights_option)
def zero_shot(
    index: Path | None,
    classes: tuple[str, ...],
    prompts_file: Path | None,
    templates: tuple[str, ...],
    template_set: str | None,
    save: bool,
    min_confidence: float,
    weights: Path | None,
    device: str,
    as_json: bool,
    **choice: Any,
) -> None:
    """Predict labels from words alone.

    The index needs a model that knows text, such as clip. Each class becomes several prompts ("a
    Baroque painting"); a picture gets the class whose prompts are most similar to it. Labels of the
    catalog are evaluated on the test pictures of the split, beside the majority class, kNN and the
    linear probe, which use the labels of the training pictures.

    --save stores the predictions as a column: a facet, a condition, a label. 'artsim review'
    writes them to a spreadsheet and reads back what people decided.

    Example:

    \b
        artsim zero-shot --label style,genre
        artsim zero-shot --label subject --classes portrait,landscape,"still life" --save
        artsim zero-shot --label medium --prompts prompts.csv
    """
    if template_set and templates:
        raise click.UsageError("use --template TEXT or --templates NAME, not both")
    store = open_store(index)
    from artsim.models import find_device
    from artsim.prediction import ZeroShotPlan, read_templates, save_zero_shot
    from artsim.prediction import zero_shot as run
    from artsim.search import load_index_text_tower

    if template_set:
        templates = read_templates(template_set)
    prompts = _prompts(choice["labels"], classes, prompts_file, templates)
    plan = ZeroShotPlan(prompts=prompts, templates=templates, **choice)
    tower = load_index_text_tower(store, weights=weights)
    found = list(run(store, plan, tower, device=find_device(device)))
    if not as_json:
        _print(store, found)
    for each in found:
        row = each.to_json()
        if save:
            saved = save_zero_shot(store, each, min_confidence=min_confidence)
            row |= {"column": saved.column, "predicted": saved.counts, "missing": saved.missing}
            if not as_json:
                _print_saved(store, saved)
        if as_json:
            print_json_lines([row], index=store)


def _prompts(
    labels: Sequence[str],
    classes: Sequence[str],
    file: Path | None,
    templates: Sequence[str],
) -> dict[str, Prompts]:
    """Return the prompts that are given, by label."""
    from artsim.prediction import make_prompts, read_prompts, templates_for

    if classes and file:
        raise click.UsageError("use --classes or --prompts, not both")
    if (classes or file) and templates and file:
        raise click.UsageError("--prompts has whole prompts; leave out the templates")
    if classes:
        if len(labels) != 1:
            raise click.UsageError("--classes are those of one label; name it with --label")
        return {labels[0]: make_prompts(classes, templates or templates_for(labels[0]))}
    if file is None:
        return {}
    found = dict(read_prompts(file))
    if None in found:
        if len(labels) != 1 or len(found) > 1:
            raise click.UsageError(
                f"{str(file)!r} does not say which label its classes are of; name one with --label"
            )
        return {labels[0]: found[None]}
    by_label = {name: prompts for name, prompts in found.items() if name is not None}
    unknown = [name for name in labels if name not in by_label]
    if unknown:
        raise click.UsageError(
            f"{str(file)!r} has no label {unknown[0]!r}; it has {', '.join(by_label)}"
        )
    return {name: by_label[name] for name in labels or by_label}


def _print(store: Store, found: Sequence[ZeroShot]) -> None:
    from artsim.metrics import scores_to_json

    spec = store.manifest.passport.spec
    echo(f"Zero-shot on {store} ({plural(store.rows, 'picture')}, by {spec})")
    for metric, heading in (("top1", "top-1"), ("mAP", "mean average precision over the classes")):
        rows = []
        for each in found:
            scores = each.scores
            if scores is None or scores.compared.metric != metric:
                continue
            learned = scores.compared
            own = []
            if metric == "top1":
                values = scores_to_json(scores.metrics)
                top5 = "" if len(each.classes.names) <= _TOP else fixed(values["top5"])
                own = [top5, fixed(values["macro_f1"])]
            rows.append(
                [
                    each.label,
                    fixed(scores.estimate.value),
                    interval(scores.estimate),
                    *own,
                    *map(fixed, (learned.baseline.value, learned.knn.value, learned.probe.value)),
                ]
            )
        if rows:
            echo(f"\n{heading}")
            right = ["zero-shot", "95%", *(("top-5", "macro F1") if metric == "top1" else ())]
            right += ["majority" if metric == "top1" else "chance", "kNN", "probe"]
            print_table(["label", *right], rows, right=right, whole=["label"])
    for each in found:
        if each.scores is None:
            names = plural(len(each.classes.names), "class", "classes")
            echo(f"{each.label}: {names} given; the catalog has no such label to compare with")
            continue
        print_split(each.label, each.scores.compared.split)
        if each.scores.unprompted:
            names = ", ".join(map(repr, each.scores.unprompted[:_NAMED]))
            names += ", ..." if len(each.scores.unprompted) > _NAMED else ""
            print_notes(
                f"{each.label}: no prompt describes "
                f"{plural(len(each.scores.unprompted), 'class', 'classes')} of the test pictures "
                f"({names}), which count as wrong"
            )


def _print_saved(store: Store, saved: SavedZeroShot) -> None:
    missing = f", {saved.missing:,} without a prediction" if saved.missing else ""
    echo(
        f"\n{saved.column} stored in {store}{missing}; "
        f"review it with 'artsim review {shell_word(saved.column)}'"
    )
    print_counts(saved.counts)
