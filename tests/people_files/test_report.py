"""The report of rows that were left out destroys nothing, and belongs to its own run."""

import pytest

from portal.people_files.report import Report, ReportUnwritable


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("email\nann@northwind.example\n")
    return file


def tell(path, source):
    report = Report(path, source)
    report.add(2, 'email: "no" address')
    report.close()


@pytest.mark.parametrize("spelling", ["list.csv", "link.csv", "hard.csv"])
def test_the_list_itself_is_never_written_over(source, tmp_path, spelling):
    (tmp_path / "link.csv").symlink_to(source)
    (tmp_path / "hard.csv").hardlink_to(source)
    with pytest.raises(ReportUnwritable, match="the file to import"):
        tell(tmp_path / spelling, source)
    assert "ann@northwind.example" in source.read_text()


def test_what_a_link_leads_to_is_left_alone(source, tmp_path):
    victim, report = tmp_path / "victim.txt", tmp_path / "report.csv"
    victim.write_text("precious")
    report.symlink_to(victim)
    tell(report, source)
    assert victim.read_text() == "precious"
    assert report.read_text() == 'line,reason\n2,"email: ""no"" address"\n'
    assert report.stat().st_mode & 0o077 == 0


def test_another_file_is_not_taken_for_a_report(source, tmp_path):
    for content in ("email,password_hash\nkim@northwind.example,x\n", "# Our apology\n"):
        other = tmp_path / "other.csv"
        other.write_text(content)
        with pytest.raises(ReportUnwritable, match="is not a report"):
            Report(other, source)
        assert other.read_text() == content
    (tmp_path / "empty.csv").touch()
    tell(tmp_path / "empty.csv", source)


def test_a_clean_run_leaves_no_report_of_an_earlier_one(source, tmp_path):
    report = tmp_path / "report.csv"
    tell(report, source)
    Report(report, source).close()
    assert not report.exists()


def test_a_place_that_cannot_be_written_is_named(source, tmp_path):
    place = tmp_path / "no-such-folder" / "report.csv"
    with pytest.raises(ReportUnwritable, match="no-such-folder"):
        tell(place, source)


def test_rows_are_reported_in_the_order_of_their_lines(source, tmp_path):
    path = tmp_path / "report.csv"
    report = Report(path, source)
    for line in (10, 2, 9):
        report.add(line, "email: there is no address")
    report.close()
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["line", "2", "9", "10"]
