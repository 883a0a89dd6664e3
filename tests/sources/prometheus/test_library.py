"""What is loaded to speak with Prometheus."""

from __future__ import annotations

import subprocess
import sys


def test_no_guesser_of_encodings_is_loaded_and_none_is_missed() -> None:
    code = (
        "import sys, console.sources.prometheus.library as library\n"
        "assert not {'chardet', 'charset_normalizer'} & set(sys.modules)\n"
        "answer = library.requests.Response()\n"
        "answer._content = 'café'.encode()\n"
        "print(answer.text)\n"
        "import charset_normalizer\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-W", "error", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("café\n", "")
