import errno
import fcntl
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.timeline import file as timeline_file
from console.timeline.chain import verify
from console.timeline.entry import GENESIS, TimelineError
from console.timeline.file import TimelineFile, make_folder, read_timeline, remote_file_system
from tests.timeline.helpers import draft, start_writer


def test_eight_processes_lose_nothing_and_the_chain_holds(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, f"w{n}", 200) for n in range(8)]
    said = [line for writer in writers for line in writer.communicate(timeout=100)[0].split()]
    assert [writer.returncode for writer in writers] == [0] * 8
    path = tmp_path / "standby.jsonl"
    loaded = read_timeline(path)
    assert loaded.bad == ()
    assert sorted(entry.text for entry in loaded.entries) == sorted(said)
    assert len(said) == 1600
    assert [entry.seq for entry in loaded.entries] == list(range(1, 1601))
    ids = [entry.id for entry in loaded.entries]
    assert ids == sorted(set(ids))
    report = verify(path)
    assert (report.ok, report.entries, report.head) == (True, 1600, loaded.entries[-1].hash)


@pytest.mark.parametrize("seed", range(3))
def test_killed_writers_leave_a_sound_record_of_all_they_reported(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "standby.jsonl"
    said: list[str] = []
    for round_ in range(3):
        writers = [start_writer(tmp_path, f"w{round_}-{n}", 100_000) for n in range(3)]
        for writer in writers:
            assert writer.stdout is not None
            said += [writer.stdout.readline().strip() for _ in range(rng.randrange(1, 25))]
            writer.kill()
        for writer in writers:
            assert writer.stdout is not None
            said += writer.stdout.read().split()
            assert writer.wait(10) == -signal.SIGKILL
            writer.stdout.close()
        with path.open("ab") as file:  # a kill seldom comes in the middle of a write
            file.write(path.read_bytes()[: rng.randrange(1, 200)])
    TimelineFile(path).append(draft("after"))
    texts = [entry.text for entry in read_timeline(path).entries]
    assert set(said) <= set(texts)
    assert len(texts) == len(set(texts))
    bad = verify(path).bad
    assert len(bad) >= 3
    assert all(line.reason.startswith("it is not an entry") for line in bad)
    assert verify(path).entries == len(texts)


def test_modes_hold_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "state" / "incidents" / "INC-20260301-1" / "timeline.jsonl"
    for mask in (0o000, 0o077):
        before = os.umask(mask)
        try:
            TimelineFile(path).append(draft())
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        folder = path.parent
        while folder != tmp_path:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o750
            folder = folder.parent
        path.unlink()


@pytest.mark.parametrize("keep", [1, 40, -40, -2])
def test_a_torn_last_line_is_kept_reported_and_closed(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t.jsonl"
    timeline = TimelineFile(path)
    timeline.append(draft("one"))
    first = path.read_bytes()
    timeline.append(draft("two"))
    torn = path.read_bytes()[len(first) :][:keep]
    path.write_bytes(first + torn)
    loaded = read_timeline(path)
    assert [entry.text for entry in loaded.entries] == ["one"]
    assert [(bad.line, bad.torn) for bad in loaded.bad] == [(2, True)]
    entry = timeline.append(draft("three"))
    assert entry.seq == 2
    assert path.read_bytes().startswith(first + torn + b"\n{")
    assert [e.text for e in read_timeline(path).entries] == ["one", "three"]
    assert [bad.line for bad in verify(path).bad] == [2]
    assert [bad.line for bad in read_timeline(path).bad] == [2]


def test_a_last_line_that_lacks_only_its_newline_is_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    path.write_bytes(path.read_bytes()[:-1])
    assert [entry.text for entry in read_timeline(path).entries] == ["one"]
    assert verify(path).bad[0].torn
    assert TimelineFile(path).append(draft("two")).seq == 2
    assert verify(path).ok


def test_bad_lines_are_skipped_and_the_chain_goes_on_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\x00\x01\n")
    timeline = TimelineFile(path)
    assert timeline.append(draft("one")).prev == GENESIS
    with path.open("ab") as file:
        file.write(b"not json\n\n\xff\xfe\n" + b"x" * 200_000 + b"\n")
    entry = timeline.append(draft("two"))
    assert entry.seq == 2
    loaded = read_timeline(path)
    assert [e.text for e in loaded.entries] == ["one", "two"]
    assert [bad.line for bad in loaded.bad] == [1, 3, 4, 5, 6]
    assert [bad.line for bad in verify(path).bad] == [1, 3, 4, 5, 6]


def limited(path: Path, size: int) -> "subprocess.CompletedProcess[str]":
    """Append in a process that may not let a file grow beyond `size` bytes."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.timeline.helpers import draft\n"
        "from console.timeline.file import TimelineFile\n"
        "from console.timeline.entry import TimelineError\n"
        "timeline = TimelineFile(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))\n"
        "try: timeline.append(draft('limited'))\n"
        "except TimelineError as error: print(error)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(path), str(size)], capture_output=True, text=True, timeout=60
    )


def test_a_short_write_is_an_error_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    before = path.read_bytes()
    done = limited(path, len(before) + 46)
    assert "only 46 of" in done.stdout, done.stderr
    assert str(path) in done.stdout
    assert path.read_bytes()[: len(before)] == before
    assert len(path.read_bytes()) == len(before) + 46
    assert TimelineFile(path).append(draft("two")).seq == 2
    assert [entry.text for entry in read_timeline(path).entries] == ["one", "two"]
    assert [bad.line for bad in verify(path).bad] == [2]


def test_a_file_at_its_limit_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    size = path.stat().st_size
    done = limited(path, size)
    assert "cannot be written: file too large; raise the file size limit" in done.stdout, done.stderr
    assert path.stat().st_size == size


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError) as caught:
        os.write(descriptor, b"x")
    os.close(descriptor)
    sentence = str(timeline_file.failure(tmp_path, "written", caught.value))
    assert "no space left on device; free space on that disk, or set --state-dir" in sentence


def test_what_stands_in_the_way_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TimelineError, match="not a folder stands in the way"):
        TimelineFile(tmp_path / "file" / "deep" / "t.jsonl").append(draft())
    (tmp_path / "folder").mkdir()
    with pytest.raises(TimelineError, match="is a directory"):
        TimelineFile(tmp_path / "folder").append(draft())
    with pytest.raises(TimelineError, match="is a directory"):
        read_timeline(tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimelineError, match="not a regular file"):
        TimelineFile(tmp_path / "pipe").append(draft())
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TimelineError, match="symbolic link"):
        TimelineFile(tmp_path / "link").append(draft())
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(TimelineError, match="cannot be written"):
        make_folder(Path("/proc/warroom"))


def test_a_lock_that_is_never_released_does_not_hang_the_console(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    TimelineFile(path).append(draft("one"))
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(TimelineError, match="locked by another process"):
        TimelineFile(path, lock_timeout=0.05).append(draft("two"))
    os.close(holder)
    assert TimelineFile(path, lock_timeout=0.05).append(draft("three")).seq == 2


def test_a_file_that_was_moved_away_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    timeline = TimelineFile(path)
    timeline.append(draft("one"))
    path.rename(tmp_path / "old.jsonl")
    assert timeline.append(draft("two")).seq == 1
    assert [entry.text for entry in read_timeline(path).entries] == ["two"]
    assert verify(tmp_path / "old.jsonl").ok


def test_what_another_writer_added_is_chained_to(tmp_path: Path) -> None:
    one, two = TimelineFile(tmp_path / "t.jsonl"), TimelineFile(tmp_path / "t.jsonl")
    entries = [one.append(draft("1")), two.append(draft("2")), one.append(draft("3")), one.append(draft("4"))]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    assert [entry.prev for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert verify(tmp_path / "t.jsonl").ok


def test_every_entry_is_synced_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.jsonl"
    sizes: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size if path.exists() else -1)
        real(descriptor)

    timeline = TimelineFile(path)
    timeline.append(draft("one"))
    monkeypatch.setattr(os, "fsync", fsync)
    timeline.append(draft("two"))
    assert sizes == [path.stat().st_size]

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(TimelineError, match="input/output error"):
        timeline.append(draft("three"))


def test_local_disks_are_not_taken_for_network_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remote_file_system(tmp_path / "not" / "there") is None
    text = f"rootfs / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda *a, **k: text)
    assert remote_file_system(tmp_path / "state") == "nfs4"
    assert remote_file_system(tmp_path.parent / "other") is None


def test_a_file_of_100_000_entries_opens_and_takes_an_append(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.jsonl"
    timeline = TimelineFile(path)
    timeline.append(draft("seed"))
    line = path.read_bytes()
    path.write_bytes(line * 99_999)
    timeline = TimelineFile(path)
    start = time.perf_counter()
    timeline.append(draft("last"))
    appended = time.perf_counter()
    loaded = read_timeline(path)
    done = time.perf_counter()
    assert len(loaded.entries) == 100_000
    with capsys.disabled():
        print(f"\n100,000 entries: append {(appended - start) * 1000:.1f} ms, read {done - appended:.2f} s")
