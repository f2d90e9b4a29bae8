"""So many steps in a turn of the event loop: those beyond wait for the next, in their order, and nobody for ever."""

import asyncio

from coderai.gateway.turns import STEPS, Turns


async def test_so_many_in_a_turn_and_the_others_in_the_next_ones() -> None:
    turns = Turns()
    taken: list[int] = []

    async def step(n: int) -> None:
        if (turn := turns.wait()) is not None:
            await turn
        taken.append(n)

    steps = [asyncio.create_task(step(n)) for n in range(3 * STEPS)]
    counts = [0]
    while len(taken) < len(steps):
        await asyncio.sleep(0)
        counts.append(len(taken))
        assert counts[-1] - counts[-2] <= STEPS
        assert len(counts) < 100, "somebody waits for ever"
    assert taken == list(range(3 * STEPS))
    await asyncio.gather(*steps)


async def test_who_has_gone_holds_up_nobody_and_takes_nobody_s_place() -> None:
    turns = Turns()
    waiting = [turn for turn in (turns.wait() for _ in range(3 * STEPS)) if turn is not None]
    for gone in waiting[:STEPS]:
        gone.cancel()
    await asyncio.sleep(0)
    assert all(turn.done() for turn in waiting)


async def test_each_turn_has_its_own() -> None:
    turns = Turns()
    for _ in range(3):
        assert [turns.wait() for _ in range(STEPS)] == [None] * STEPS
        await asyncio.sleep(0)
