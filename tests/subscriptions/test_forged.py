"""Without the worker's keys, rows written into the tables mail nobody, and stolen ones name nobody."""

from sqlalchemy import text

from tests.subscriptions.test_updates import ANA, ROBIN, add


class TestAnUpdate:
    def test_that_is_a_draft_is_mailed_to_nobody_by_whoever_writes_the_database(
        self, house, smtp, incident, caplog
    ):
        add(house, incident, ANA)
        house.incident("second", "Theft at the company that we are about to buy", public=False)
        house.update("Not public before the stock exchange closes", slug="second")
        with house.worker.db.write() as session:
            session.execute(text("UPDATE incidents_updates SET published_at = written_at"))
            session.execute(text("UPDATE incidents SET state = 'published', published_at = created_at"))
        add(house, house.id_of("second"), ROBIN)
        house.work()
        assert smtp.messages == []
        assert "nobody is mailed" in caplog.text

    def test_of_another_incident_goes_to_no_subscriber_whose_row_was_moved_there(
        self, house, smtp, incident, caplog
    ):
        add(house, incident, ANA)
        other = house.incident("second", "Another")
        house.update("What ANA never asked for", slug="second")
        with house.worker.db.write() as session:
            session.execute(text("UPDATE subscriptions SET incident_id = :other"), {"other": other})
        house.work()
        assert smtp.messages == []
        assert "altered or moved" in caplog.text

    def test_that_was_a_draft_is_mailed_once_it_is_published_with_the_workers_keys(self, house, smtp):
        add(house, house.incident("second", "Another", public=False), ANA)
        house.update("Passwords stored anew", slug="second")
        house.work()
        assert smtp.messages == []
        house.publish("second")
        house.work()
        assert len(house.updates_to(ANA)) == 1


def test_a_thief_with_the_database_and_every_address_finds_no_subscriber(
    house, smtp, incident, web_vault, db
):
    add(house, incident, ANA)
    everything = repr(house.rows()).encode()
    assert ANA.encode() not in everything
    guesses = (web_vault.account_index(ANA), web_vault.bucket(ANA), web_vault.bucket("subscription", ANA))
    for guess in guesses:
        assert repr(guess).encode() not in everything
