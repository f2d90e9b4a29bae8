"""Seals and retention: what it deletes breaks no chain, and nobody else's deletion passes for it."""

import pytest

from coderai.records import Ended, Record, new_id
from coderai.store import Store, times
from coderai.store.audit import Verdict
from coderai.store.chains import Anchor
from coderai.store.purge import BATCH, CHILD_TABLES
from coderai.store.selection import Filter
from tests.databases import Place, change, opened, query
from tests.sealed import HOUR, five, verify
from tests.trail import AT, ended, exchange, listed, now


class TestRetention:
    async def test_it_moves_the_anchor_and_breaks_nothing(self, store: Store, place: Place) -> None:
        ids = await five(store)
        while await store.purge.batch(AT + 3 * HOUR):
            pass
        verdict = await verify(store)
        assert verdict == Verdict(interceptions=2, links=2)
        assert query(place, "SELECT anchor_number, seal_number FROM aibridge_instances") == [(3, 5)]
        assert query(place, "SELECT count(*) FROM aibridge_past_seals") == [(0,)]
        change(place, f"DELETE FROM aibridge_interceptions WHERE id = '{ids[3]}'")
        assert (await verify(store)).breaks

    async def test_nor_where_the_old_ended_last(self, store: Store, place: Place) -> None:
        long, short = exchange(AT), exchange(AT + HOUR, call_id="b")
        await store.write(long[:2])
        await store.write(short)
        await store.write(long[2:])
        await store.purge.batch(AT + 1)
        assert await verify(store) == Verdict(interceptions=1, links=2)
        await store.purge.batch(AT + 2 * HOUR)
        assert await verify(store) == Verdict()

    @pytest.mark.parametrize("changed", ["interception_id = 'x'", "content_digest = counts_digest", "seal_number = 3"])
    async def test_a_past_seal_that_somebody_changes_is_found(self, store: Store, place: Place, changed: str) -> None:
        long, short = exchange(AT), exchange(AT + HOUR, call_id="b")
        await store.write(long[:2])
        await store.write(short)
        await store.write(long[2:])
        await store.purge.batch(AT + 1)
        change(place, f"UPDATE aibridge_past_seals SET {changed}")
        assert (await verify(store)).breaks

    async def test_a_removal_is_no_retention_where_older_ones_are_left(self, store: Store, place: Place) -> None:
        ids = await five(store)
        await store.purge.batch(AT + 1)
        columns = "instance_id, seal_number, interception_id, started_at, counts_digest, content_digest, seal, reason"
        old = columns.replace("interception_id", "id").replace("reason", "'deleted'")
        source = f"aibridge_interceptions WHERE id = '{ids[3]}'"
        change(
            place,
            f"INSERT INTO aibridge_past_seals ({columns}) SELECT {old} FROM {source}",
            *(f"DELETE FROM {table} WHERE interception_id = '{ids[3]}'" for table in CHILD_TABLES),
            f"DELETE FROM {source}",
        )
        assert "though older ones are still there" in (await verify(store)).breaks[0].what

    @pytest.mark.parametrize("reason", ["superseded", "forgotten"])
    async def test_nor_is_one_that_is_called_something_else(self, store: Store, place: Place, reason: str) -> None:
        ids = await five(store)
        columns = "instance_id, seal_number, interception_id, started_at, counts_digest, content_digest, seal, reason"
        old = columns.replace("interception_id", "id").replace("reason", f"'{reason}'")
        source = f"aibridge_interceptions WHERE id = '{ids[3]}'"
        change(
            place,
            f"INSERT INTO aibridge_past_seals ({columns}) SELECT {old} FROM {source}",
            *(f"DELETE FROM {table} WHERE interception_id = '{ids[3]}'" for table in CHILD_TABLES),
            f"DELETE FROM {source}",
        )
        (found,) = (await verify(store)).breaks
        assert ids[3] in found.what

    @pytest.mark.parametrize(
        "changed",
        [
            "interceptions SET seal_number = 1 WHERE id = '{}'",
            "interceptions SET seal_number = NULL WHERE id = '{}'",
            "interceptions SET instance_id = NULL WHERE id = '{}'",
            "interceptions SET counts_digest = NULL WHERE id = '{}'",
            "interceptions SET content_digest = NULL WHERE id = '{}'",
            "interceptions SET seal = NULL WHERE id = '{}'",
            f"instances SET anchor_number = {2**63 - 1}",  # behind which there is no number
        ],
    )
    async def test_a_changed_seal_is_found_after_its_deletion_and_does_not_hinder_it(
        self, store: Store, place: Place, changed: str
    ) -> None:
        ids = await five(store)
        change(place, f"UPDATE aibridge_{changed.format(ids[1])}")
        while await store.purge.batch(AT + 3 * HOUR):
            pass
        assert query(place, "SELECT count(*) FROM aibridge_interceptions") == [(2,)]
        assert (await verify(store)).breaks

    async def test_nor_does_it_hinder_a_true_end(self, store: Store, place: Place) -> None:
        records = exchange(call_id="a")
        await store.write([*records[:-1], ended(records[0], error_type="interrupted")])
        change(place, "UPDATE aibridge_interceptions SET seal_number = NULL")
        await store.write(records[-1:])
        assert query(place, "SELECT status, error_type FROM aibridge_interceptions") == [(200, None)]
        assert (await verify(store)).breaks

    async def test_contents_go_earlier_and_the_counts_stay_verifiable(self, store: Store, place: Place) -> None:
        ids = await five(store)
        while await store.purge.contents(AT + 3 * HOUR):
            pass
        until = times.text(AT + 2 * HOUR)
        assert await verify(store) == Verdict(interceptions=5, links=5, contents_deleted=until)
        change(place, f"UPDATE aibridge_token_usages SET output_tokens = 8 WHERE interception_id = '{ids[0]}'")
        assert ids[0] in (await verify(store)).breaks[0].what

    async def test_contents_that_others_delete_are_missed(self, store: Store, place: Place) -> None:
        ids = await five(store)
        await store.purge.contents(AT + 3 * HOUR)
        change(place, f"DELETE FROM aibridge_user_prompts WHERE interception_id = '{ids[3]}'")
        change(place, f"UPDATE aibridge_tool_usages SET input = 'x' WHERE interception_id = '{ids[1]}'")
        assert [ids[n] in b.what for n, b in zip((1, 3), (await verify(store)).breaks, strict=True)] == [True, True]

    @pytest.mark.parametrize(
        "texts", ["user_prompts (prompt, provider_response_id,", "model_thoughts (content, metadata,"]
    )
    async def test_contents_that_others_put_in_their_place_are_found(
        self, store: Store, place: Place, texts: str
    ) -> None:
        ids = await five(store)
        await store.purge.contents(AT + 3 * HOUR)
        values = f"('{{}}', '{{}}', 'x', '{ids[1]}', '2026-02-02T02:40:00Z')"
        change(place, f"INSERT INTO aibridge_{texts} id, interception_id, created_at) VALUES {values}")
        (found,) = (await verify(store)).breaks
        assert ids[1] in found.what

    async def test_a_chain_goes_with_all_that_it_sealed(self, store: Store, place: Place) -> None:
        await five(store)
        await store.instances.leave()
        while await store.purge.batch(now() + HOUR):
            pass
        assert query(place, "SELECT count(*) FROM aibridge_instances") == [(0,)]

    async def test_but_not_before(self, store: Store, place: Place) -> None:
        await store.write(exchange(now() + 2 * HOUR))
        await store.instances.leave()
        await store.purge.batch(now() + HOUR)
        assert await verify(store) == Verdict(interceptions=1, links=1)

    async def test_nor_while_its_process_lives(self, store: Store, place: Place) -> None:
        await five(store)
        while await store.purge.batch(now() + HOUR):
            pass
        await store.write(exchange(now()))
        assert query(place, "SELECT anchor_number, seal_number FROM aibridge_instances") == [(5, 6)]
        assert await verify(store) == Verdict(interceptions=1, links=1)

    async def test_a_logged_seal_of_what_retention_has_deleted_is_not_missed(self, store: Store) -> None:
        gone = Anchor(b"x" * 32, "2026-02-02T01:00")
        await five(store)
        assert (await store.verify("", "9999", {("gone", 1): gone})).breaks == []
        late = gone._replace(at="2026-02-02T04:00")
        assert len((await store.verify("", "9999", {("gone", 1): late})).breaks) == 1


class TestLate:
    """What is stored long after it was found: from a spool file, or once a database that failed works again."""

    async def test_contents_go_where_retention_has_passed_by(self, store: Store) -> None:
        ids = await five(store)
        late = exchange(AT + HOUR, call_id="late")
        await store.purge.contents(AT + 4 * HOUR)
        await store.write(late, late=True)
        await store.write(exchange(AT + 9 * HOUR), late=True)
        assert (await verify(store)).breaks == []
        page = await listed(store, Filter(), limit=100)
        assert [found.id for found in page if found.user_prompts or found.model_thoughts] == [page[0].id, ids[4]]
        assert [found.id for found in page if found.tool_usages[0].input] == [page[0].id, ids[4]]

    async def test_of_however_many(self, store: Store) -> None:
        await five(store)
        await store.purge.contents(AT + 4 * HOUR)
        late = [exchange(AT + n, call_id=f"late_{n}") for n in range(BATCH + 1)]
        await store.write([record for batch in late for record in batch], late=True)
        assert (await verify(store)).breaks == []
        page = await listed(store, Filter(), limit=100)
        assert len([found for found in page if found.user_prompts]) == 1

    async def test_and_what_was_stored_after_all_brings_none_back(self, store: Store) -> None:
        batch = exchange()
        await store.write(batch)
        await store.purge.contents(AT + HOUR)
        await store.write(batch, late=True)
        assert await verify(store) == Verdict(interceptions=1, links=1, contents_deleted=times.text(AT))

    async def test_and_of_what_another_has_ended_meanwhile(self, store: Store, place: Place) -> None:
        batch = exchange()
        await store.write(batch[:2])
        other = await opened(place)
        inferred = Ended(status=None, error_type="interrupted", inferred=True)
        await other.write([Record(new_id(), batch[0].id, AT, inferred)])
        await other.purge.contents(AT + HOUR)
        await store.write(batch[2:])
        assert await verify(store) == Verdict(interceptions=1, links=2, contents_deleted=times.text(AT))
        await other.close()
