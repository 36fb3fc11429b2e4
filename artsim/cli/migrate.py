"""``artsim migrate``."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from artsim.cli.migrate_outputs import Results, print_cost, print_kept
from artsim.cli.options.collection import (
    collection_of,
    max_pixels_option,
    moved_option,
    open_collection,
    reader_options,
)
from artsim.cli.options.complete import complete_model
from artsim.cli.options.computing import (
    backend_option,
    batch_size_option,
    compile_option,
    decoder_option,
    device_option,
    devices_option,
    engine_name,
    engine_option,
    make_compute,
    precision_option,
    resolve_model,
    seed_option,
    weights_option,
    workers_option,
)
from artsim.cli.options.index import (
    find_index,
    index_argument,
    index_option,
    open_store,
    tap_option,
)
from artsim.cli.options.labels import group_option, label_option, qualified_option, split_option
from artsim.cli.options.outputs import allow_loss_option, csv_option, format_option, sheet_option
from artsim.cli.options.values import count_cores, file_option
from artsim.cli.output import (
    echo,
    print_json_lines,
    print_notes,
    print_table,
    resumable,
    show_progress,
)
from artsim.datatypes import parse_spec, plural, shell_word, shown_path

if TYPE_CHECKING:
    from artsim.store import Version


@cloup.command()
@index_argument
@cloup.option_group("Index", index_option)
@cloup.option_group(
    "Migration",
    click.option(
        "-m",
        "--model",
        metavar="SPEC",
        shell_complete=complete_model,
        help="New model, or other taps: embed the collection again with it, and compare.",
    ),
    click.option(
        "--map",
        "use_map",
        is_flag=True,
        help="Where a picture is gone, compute the vector from the old one by a linear map, and "
        "mark it in the column mapped_vector.",
    ),
    click.option("--switch", is_flag=True, help="Make the new version the index."),
    click.option("--back", is_flag=True, help="Restore the version that was replaced last."),
    click.option("--drop-old", is_flag=True, help="Delete the versions that were replaced."),
    click.option(
        "--name", metavar="NAME", help="Version to switch to or delete.  [default: the only one]"
    ),
    allow_loss_option,
)
@cloup.option_group("Collection", moved_option, *reader_options, max_pixels_option)
@cloup.option_group(
    "Comparison",
    tap_option(more=" In the new version it is the tap of this name, or the first."),
    label_option,
    qualified_option,
    split_option(),
    group_option("Keep pictures with the same value together: artist, to evaluate style."),
    seed_option,
)
@cloup.option_group(
    "Compute",
    device_option,
    backend_option,
    precision_option,
    compile_option,
    decoder_option,
    weights_option,
    batch_size_option,
    workers_option,
    devices_option,
    engine_option,
)
@cloup.option_group(
    "Output",
    csv_option("the works, those whose neighbors change most first,"),
    sheet_option("the works whose neighbors change most"),
    file_option("--html", help="Write a page with these works and their neighbors."),
    format_option,
)
def migrate(
    index: Path | None,
    model: str | None,
    switch: bool,
    back: bool,
    drop_old: bool,
    name: str | None,
    allow_loss: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Move an index to another model.

    With -m the collection is embedded by the new model into INDEX/versions, while the index
    answers as before; to resume an interrupted run, run the same command again. Then the two are
    compared: how many of its nearest works each work keeps, and how well neighbors predict the
    labels. --switch makes the new version the index in one step, and keeps the old one until
    --drop-old; --back restores it. Without options the versions are listed.

    Example:

    \b
        artsim migrate indexes/paintings -m lite1 --html changes.html
        artsim migrate indexes/paintings --switch
        artsim migrate indexes/paintings --back
        artsim migrate indexes/paintings --drop-old
    """
    if sum([model is not None or switch, back, drop_old]) > 1:
        raise click.UsageError(
            "-m or --switch, --back and --drop-old are steps of their own: choose one"
        )
    path = find_index(index)
    if model is not None:
        folder = _build(path, resolve_model(model), as_json=as_json, **options)
        if not switch:
            if not as_json:
                echo(f"\nTo use it: artsim migrate {shown_path(path)} --switch")
            return
        name = folder.name
    if switch or back:
        _switch(path, _choose(path, name, replaced=back), allow_loss=allow_loss, as_json=as_json)
    elif drop_old:
        _drop(path, name, as_json=as_json)
    else:
        _list(path, as_json=as_json)


def _build(
    path: Path,
    model: str,
    *,
    use_map: bool,
    tap: str | None,
    seed: int,
    weights: Path | None,
    batch_size: int | None,
    as_json: bool,
    **options: Any,
) -> Path:
    """Embed, compare, and map if that is wished; return the folder of the version."""
    from artsim.embedding import EmbedSettings, open_engine
    from artsim.evaluation.probe import LabelPlan
    from artsim.migration import (
        build_version,
        compare_labels,
        compare_neighbors,
        map_missing,
        pair_versions,
    )
    from artsim.models import NetworkRequest, find_device
    from artsim.store import Store, finish_version

    store = open_store(path)
    known, device = store.manifest.passport, str(options.pop("device"))
    where = options.pop("collection") or collection_of(store)
    catalog = open_collection(where, options, strict=False, before=store.manifest)
    exact = not (known.is_external or known.preprocessing.scaled_decoding or known.decoder)
    precision = "f32" if exact else options.pop("precision")
    spec = parse_spec(model)
    request = NetworkRequest(
        spec=spec,
        weights=weights,
        compute=make_compute(
            device,
            options.pop("backend"),
            precision,
            compiling=options.pop("compiling"),
            decoder=options.pop("decoder"),
        ),
        scaled_decoding=0 if exact else 2,
    )
    place = engine_name(options.pop("engine"), options.pop("devices"))
    with resumable(path / "versions"), ExitStack() as stack:
        engine, extractor = open_engine(place, request)
        stack.enter_context(closing(engine))
        here = place is None and find_device(device).type == "cpu"
        print_cost(store, spec, extractor.passport, cores=count_cores() if here else None)
        summary = build_version(
            store,
            catalog,
            extractor,
            settings=EmbedSettings(
                batch_size=batch_size or extractor.batch_size,
                workers=options.pop("workers"),
                max_pixels=options.pop("max_pixels"),
                half_precision=not exact,
            ),
            engine=engine,
            progress=stack.enter_context(show_progress(store.path.name)),
        )
    version = Store.open(summary.path)
    old_tap = store.tap(tap).name
    shared = version.manifest.passport.tap(old_tap)
    pair = pair_versions(store, version, (old_tap, shared.name if shared else None))
    results = Results(pair, summary, as_json=as_json)
    results.show_neighbors(
        compare_neighbors(pair, seed=seed, device=find_device(device)),
        csv=options.pop("csv"),
        sheet=options.pop("sheet"),
        html=options.pop("html"),
    )
    skipped: dict[str, str] = {}
    plan = LabelPlan(
        labels=options["labels"],
        keep_qualified=options["keep_qualified"],
        split=options["split"],
        group=options["group"],
        seed=seed,
    )
    results.show_labels(list(compare_labels(pair, plan, skipped)), skipped)
    if use_map:
        mapped = map_missing(
            pair, seed=seed, half_precision=not exact, device=str(find_device(device))
        )
        results.show_map(mapped)
    results.show_missing(version.reopen())
    finish_version(version.path, store.fingerprint)
    return version.path


def _choose(path: Path, name: str | None, *, replaced: bool) -> Version:
    """Choose the version to switch to: the one named, the last replaced, or the only new one."""
    from artsim.errors import StoreError
    from artsim.store import read_versions

    every = read_versions(path)
    named = [each for each in every if each.path.name == name]
    some = named if name else [each for each in every if bool(each.replaced) == replaced]
    if not some:
        what = f"no version {name!r}" if name else f"no {'replaced' if replaced else 'new'} version"
        known = ", ".join(each.path.name for each in every) or "none"
        raise StoreError(
            f"{shown_path(path)!r} has {what}; there are: {known}. Make one with 'artsim migrate "
            f"{shell_word(shown_path(path))} -m MODEL'; one that was interrupted is "
            "finished by the same command"
        )
    if len(some) > 1 and not replaced:
        names = ", ".join(each.path.name for each in some)
        raise click.UsageError(
            f"{shown_path(path)} has several new versions; choose with --name: {names}"
        )
    return some[-1]


def _switch(path: Path, version: Version, *, allow_loss: bool, as_json: bool) -> None:
    from artsim.migration import what_is_kept
    from artsim.store import Store, read_versions, switch_version

    before = Store.open(path)
    kept = what_is_kept(before, Store.open(version.path).manifest.passport)
    store = switch_version(before, version, allow_loss=allow_loss)
    old = [each.path for each in read_versions(path) if each.replaced][-1]
    spec = store.manifest.passport.spec
    if as_json:
        row = {"switched": spec, "rows": store.rows, "old": old.name, "kept": kept.to_json()}
        print_json_lines([row], index=path)
        return
    echo(f"{shown_path(path)}: {plural(store.rows, 'picture')} by {spec}")
    echo(f"  The old version is kept in {old}: --back restores it, --drop-old deletes it")
    print_kept(path, kept)


def _drop(path: Path, name: str | None, *, as_json: bool) -> None:
    from artsim.errors import StoreError
    from artsim.store import Store, lock_index, read_versions, remove_version

    with lock_index(path):
        if damaged := Store.open(path).damaged_parts():
            raise StoreError(
                f"{damaged[0]} of {shown_path(path)!r} is damaged, so that the old versions are "
                f"kept; run 'artsim repair {shell_word(shown_path(path))}' first"
            )
        old = [each for each in read_versions(path) if each.replaced]
        chosen = [each for each in old if name in (None, each.path.name)]
        if not chosen:
            known = ", ".join(each.path.name for each in old) or "none"
            raise StoreError(
                f"{shown_path(path)!r} has no replaced version to delete; there are: {known}"
            )
        for each in chosen:
            remove_version(each.path)
            if as_json:
                print_json_lines([{"dropped": each.path.name}], index=path)
            else:
                echo(f"Deleted {shown_path(each.path)}")


def _list(path: Path, *, as_json: bool) -> None:
    from artsim.store import read_versions

    found = [
        {
            "version": each.path.name,
            "model": each.spec,
            "pictures": each.rows,
            "replaced": each.replaced[:16].replace("T", " ") or None,
        }
        for each in read_versions(path)
    ]
    if as_json:
        print_json_lines(found, index=path)
    elif found:
        rows = [
            [f"{cell:,}" if isinstance(cell, int) else cell for cell in each.values()]
            for each in found
        ]
        print_table(list(found[0]), rows, right=["pictures"], whole=["version", "replaced"])
    else:
        print_notes(
            f"{shown_path(path)} has no other versions; make one with "
            f"'artsim migrate {shell_word(shown_path(path))} -m MODEL'"
        )
