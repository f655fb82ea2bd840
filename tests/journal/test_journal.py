import json
import stat
import subprocess
import sys
from pathlib import Path

from wizard.facts.cluster import ClusterIdentity
from wizard.journal import journal
from wizard.journal.state import ClusterLock, cluster_folder, state_folder


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    writing = journal.Journal(tmp_path / "c", "ownership: take\n")
    first = writing.begin("apply", "Namespace x", {"object": None})
    writing.end(first, "done", {"object": {"kind": "Namespace"}})
    second = writing.begin("label", "Label 2 nodes", {"nodes": ["a", "b"], "value": None})
    writing.batch(second, {"a": None})
    writing.batch(second, {"b": "old"})
    writing.end(second, "done")
    writing.close()
    (run,) = journal.runs(tmp_path / "c")
    assert run.answers == "ownership: take\n"
    assert not run.interrupted
    assert [change.result for change in run.changes] == ["done", "done"]
    assert run.changes[1].after == {"a": None, "b": "old"}
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o600


def test_a_run_that_was_killed_in_a_change_says_so(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from wizard.journal.journal import Journal
writing = Journal(Path({str(tmp_path)!r}), "")
number = writing.begin("label", "Label 2 nodes", {{"nodes": ["a", "b"], "value": None}})
writing.batch(number, {{"a": None}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2])
    (run,) = journal.runs(tmp_path)
    assert run.interrupted
    assert run.changes[0].result is None
    assert run.changes[0].after == {"a": None}


def test_the_old_word_for_a_stopped_change_is_still_read(tmp_path: Path) -> None:
    writing = journal.Journal(tmp_path, "")
    writing.end(writing.begin("apply", "x", {"object": None}), "stopped")
    writing.close()
    assert b'"stopped"' in writing.path.read_bytes()
    writing.path.write_bytes(writing.path.read_bytes().replace(b'"stopped"', b'"interrupted"'))
    assert [change.result for change in journal.read_run(writing.path).changes] == ["stopped"]


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    writing = journal.Journal(tmp_path, "")
    writing.end(writing.begin("apply", "x", {"object": None}), "done")
    writing.abandon()
    whole = writing.path.read_bytes()
    for length in range(len(whole)):
        writing.path.write_bytes(whole[:length])
        run = journal.read_run(writing.path)
        assert run.interrupted
        assert len(run.changes) <= 1


def test_an_undone_run_is_marked_even_after_a_cut_line(tmp_path: Path) -> None:
    writing = journal.Journal(tmp_path, "")
    writing.abandon()
    with writing.path.open("ab") as file:
        file.write(b'{"entry": "beg')
    journal.mark(journal.read_run(writing.path), "undone")
    assert journal.read_run(writing.path).undone


def test_the_folder_is_the_persons_own(tmp_path: Path) -> None:
    identity = ClusterIdentity("prod", "https://x", "v1.36.2", "", uid="1-2-3")
    journal.Journal(cluster_folder(identity), "").close()
    assert stat.S_IMODE(state_folder().joinpath("1-2-3").stat().st_mode) == 0o700


def test_two_clusters_without_a_known_uid_have_folders_of_their_own() -> None:
    one = ClusterIdentity("a", "https://one", "", "")
    two = ClusterIdentity("a", "https://two", "", "")
    assert cluster_folder(one) != cluster_folder(two)


def test_the_second_wizard_is_told_of_the_first(tmp_path: Path) -> None:
    first, second = ClusterLock(tmp_path), ClusterLock(tmp_path)
    assert first.take()
    assert not second.take()
    assert "process" in second.holder
    first.release()
    assert second.take()
    second.release()


def test_an_object_is_journaled_without_what_the_server_keeps() -> None:
    live = {
        "kind": "Namespace",
        "metadata": {"name": "x", "uid": "u", "labels": {"a": "b"}, "managedFields": [{}]},
        "status": {"phase": "Active"},
    }
    assert journal.without_noise(live) == {"kind": "Namespace", "metadata": {"name": "x", "labels": {"a": "b"}}}
    assert json.dumps(journal.without_noise(None)) == "null"


def test_a_clock_that_was_set_back_does_not_change_the_order_of_runs(tmp_path: Path) -> None:
    (tmp_path / "run-29990101T000000.000000Z.jsonl").write_text('{"entry":"run","time":"2999","answers":"first"}\n')
    (tmp_path / "run-by-hand.jsonl").write_text("")
    journal.Journal(tmp_path, "second").close()
    journal.Journal(tmp_path, "third").close()
    assert [run.answers for run in journal.runs(tmp_path) if run.answers] == ["third", "second", "first"]
