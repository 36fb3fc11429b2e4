"""Check the types of the web page's modules, plain JavaScript with JSDoc, by TypeScript.

    .venv/bin/python scripts/page_types.py

TypeScript is installed in build/ by npm, once. Without npm, nothing is checked.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build/typescript-7.0.2"
OPTIONS = (
    "--noEmit --allowJs --checkJs --strict false --target es2022 --module es2022 "
    "--moduleResolution bundler --lib es2023,dom,dom.iterable --types"
)


def main() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print("not checked: npm, which installs TypeScript, is not here")
        return 0
    compiler = PLACE / "node_modules/.bin/tsc"
    if not compiler.exists():
        package = PLACE.name.replace("-", "@")
        install = [npm, "install", "--prefix", PLACE, "--no-audit", "--no-fund", "--silent"]
        subprocess.run([*install, package], check=True)
    modules = sorted((ROOT / "artsim/server/page").rglob("*.js"))
    return subprocess.run([compiler, *OPTIONS.split(), "", *modules], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
