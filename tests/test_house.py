"""The house holds together: rooms are entered by their faces, and nothing is too large to read."""

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter

from conftest import ROOT

MODULES = sorted((ROOT / "artsim").rglob("*.py"))
OF_THE_PAGE = sorted((ROOT / "artsim/server/page").rglob("*.js"))
TREES = {
    str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in MODULES
}
_LONG = 350  # lines; a longer module says in its docstring "This is one module because"
_MANY = 8  # parameters outside the command line


def test_packages_are_imported_only_by_their_public_names():
    """Other rooms import from a package, not from a module inside it."""
    past = []
    for name, tree in TREES.items():
        room = name.split("/")[1].removesuffix(".py")
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("artsim"):
                continue
            parts = node.module.split(".")
            is_module = (ROOT / "/".join(parts)).with_suffix(".py").exists()
            if len(parts) > 2 and parts[1] != room and is_module:
                past.append(f"{name}:{node.lineno} {node.module}")
    assert past == []


def test_no_function_takes_more_parameters_than_are_easy_to_read():
    found = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if "/cli/" in name or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([each for each in arguments if each.arg not in ("self", "cls")])
            if count > _MANY:
                found.append(f"{name}:{node.lineno} {node.name} takes {count}")
    assert found == []


def test_a_long_module_says_why():
    found = []
    for file in [*MODULES, *OF_THE_PAGE]:
        name, text = str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")
        count = len(text.splitlines())
        doc = (ast.get_docstring(TREES[name]) or "") if name in TREES else text.partition("*/")[0]
        if count > _LONG and "one module because" not in doc:
            found.append(f"{name} has {count} lines")
    assert found == []


def test_the_rooms_of_the_page_look_only_down():
    below = defaultdict(set)
    for file in OF_THE_PAGE:
        for path in re.findall(r'^import .* from "(.+)";$', file.read_text("utf-8"), re.MULTILINE):
            used = (file.parent / path).resolve()
            assert used in OF_THE_PAGE, f"{file} imports {path}"
            if used.parent != file.parent:
                below[file.parent.name].add(used.parent.name)
    order = list(TopologicalSorter(below).static_order())  # a circle is a CycleError
    assert (order[0], order[-1]) == ("basics", "page")


def test_a_public_class_has_a_name_of_its_own():
    places = defaultdict(list)
    for name, tree in TREES.items():
        if "/recipes/" in name:  # each recipe has a Config, by their protocol
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_pyarrow_opens_files_by_absolute_paths():
    """It takes a relative one such as ``idx-pack:x`` for an address."""
    opened = {"ParquetFile", "read_schema", "read_table", "read_metadata"}
    found = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"pq.{each}" for each in opened}
        and not ast.unparse(node.args[0]).endswith((".absolute()", "parquet_source(file)"))
    ]
    assert [each.rpartition(":")[0] for each in found] == ["artsim/inspection/stored.py"], found


def test_advised_commands_quote_what_they_name():
    """A path or a name in a command between single quotes may have spaces."""
    found = []
    for file in sorted((ROOT / "artsim").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.JoinedStr):
                continue
            said = ""
            for part in node.values:
                if not isinstance(part, ast.FormattedValue):
                    said += ast.literal_eval(part)
                    continue
                value = ast.unparse(part.value)
                _, command, rest = said.rpartition("'artsim ")
                is_quoted = value.startswith("shell_word(") or value.isupper()
                if command and "'" not in rest and not is_quoted:
                    found.append(f"{file.relative_to(ROOT)}:{part.lineno}: {value}")
                said += "VALUE"
    assert found == []


def test_messages_name_an_index_as_people_know_it():
    """The folder of an index may be a copy of one in an object store, whose address is shown."""
    shown = re.compile(r"\{(str\()?[\w.]*\bstore\.path\)?(![rs])?\}")
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in sorted((ROOT / "artsim").rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if shown.search(line)
    ]
    assert found == []
