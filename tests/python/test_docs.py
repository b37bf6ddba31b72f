"""README and docs show only code that runs: each block is a file of docs/snippets, or a part of one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.devices import needs_devices

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPETS = sorted((ROOT / "docs" / "snippets").glob("*.py"))

# <!-- docs/snippets/file.py --> or <!-- docs/snippets/file.py part --> stands right above its block.
BLOCK = re.compile(r"(?:<!-- (docs/snippets/\S+?)(?: (\S+))? -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = {"python", "py", "cpp", "c++", "cmake", "c"}


def blocks():
    for page in PAGES:
        for file, part, language, text in BLOCK.findall(page.read_text()):
            if language in CODE:
                yield pytest.param(page, file, part, text, id=f"{page.relative_to(ROOT)}:{file or text[:30]}:{part}")


def snippet(file, part):
    """The file, or the lines of it between `[part]` and `[/part]` in comments."""
    lines = (ROOT / file).read_text().splitlines(keepends=True)
    if not part:
        return "".join(lines)
    first = next(n for n, line in enumerate(lines) if line.strip().endswith(f" [{part}]"))
    last = next(n for n, line in enumerate(lines) if line.strip().endswith(f" [/{part}]"))
    kept = lines[first + 1 : last]
    indent = min(len(line) - len(line.lstrip()) for line in kept if line.strip())
    return "".join(line[indent:] if line.strip() else "\n" for line in kept)


@pytest.mark.parametrize(("page", "file", "part", "text"), list(blocks()))
def test_code_block_is_a_snippet_file(page, file, part, text):
    assert file, f"{page.name}: code without <!-- docs/snippets/... --> above it:\n{text}"
    assert text == snippet(file, part)


SNIPPET_CASES = [
    pytest.param(path, id=path.name, marks=[needs_devices] if path.name == "devices.py" else []) for path in SNIPPETS
]


@pytest.mark.parametrize("path", SNIPPET_CASES)
def test_snippet_runs(path):
    pytest.importorskip("numpy")
    subprocess.run([sys.executable, str(path)], check=True, timeout=300)


def test_there_are_pages_and_snippets():
    assert PAGES[0].exists()
    assert SNIPPETS
