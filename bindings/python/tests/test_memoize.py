# SPDX-License-Identifier: Apache-2.0
import asyncio
import functools
import inspect
import itertools
import threading
import time

import memstore
import pytest
from conftest import wait_until
from test_threads import run_in_threads


@pytest.fixture
def cache():
    with memstore.Cache(memory_limit="64MB") as opened:
        yield opened


@pytest.fixture(params=["store", "cache"])
def keeper(request, store, cache):
    """What has memoize(): a Store, and a Cache."""
    return store if request.param == "store" else cache


def store_of(keeper):
    return keeper if isinstance(keeper, memstore.Store) else keeper.store


def counted(function):
    """The function, and what it was called with."""
    calls = []

    @functools.wraps(function)
    def call(*args, **kwargs):
        calls.append((args, kwargs))
        return function(*args, **kwargs)

    return call, calls


def test_a_result_is_computed_once(keeper):
    square, calls = counted(lambda n: n * n)
    memoized = keeper.memoize(ttl=60)(square)
    assert [memoized(3), memoized(3), memoized(4), memoized(3)] == [9, 9, 16, 9]
    assert calls == [((3,), {}), ((4,), {})]
    assert memoized.cache_info() == (2, 2, None, 2)
    assert 59 < store_of(keeper).ttl(memoized.cache_key(3)) <= 60


def test_without_parentheses_the_default_ttl_holds():
    with memstore.Store(default_ttl=100) as store:

        @store.memoize
        def square(n):
            """The square of a number."""
            return n * n

        assert square(5) == 25
        assert 99 < store.ttl(square.cache_key(5)) <= 100
        assert square.__name__ == "square" and square.__doc__ == "The square of a number."
        assert square.__wrapped__(6) == 36 and square.cache_info().currsize == 1
        assert str(inspect.signature(square)) == "(n)"


def test_none_and_other_false_results_are_kept(keeper):
    for result in (None, False, 0, "", b"", []):
        function, calls = counted(lambda result=result: result)
        memoized = keeper.memoize(function)
        assert [memoized(), memoized()] == [result, result]
        assert len(calls) == 1


def test_a_result_is_a_new_object_each_time(keeper):
    memoized = keeper.memoize(lambda: [1])
    memoized().append(2)
    assert memoized() == [1]


def test_exceptions_are_not_kept(keeper):
    answers = [ValueError("first"), KeyError("second"), "third"]

    @keeper.memoize
    def ask(n):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="first"):
        ask(1)
    with pytest.raises(KeyError, match="second"):
        ask(1)
    assert ask(1) == ask(1) == "third"


def test_arguments_by_name_are_those_by_position(keeper):
    def power(n, exponent=2, /, *more, scale=1, **others):
        return (n**exponent) * scale, more, others

    function, calls = counted(power)
    memoized = keeper.memoize(function)

    def call(*args, **kwargs):
        assert memoized(*args, **kwargs) == power(*args, **kwargs)

    call(2, 3)
    call(2, 3, scale=1)
    call(2, 3, scale=1)
    call(2, 3, 4, scale=2, x=1, y=2)
    call(2, 3, 4, y=2, x=1, scale=2)
    assert len(calls) == 3

    named, calls = counted(lambda n, exponent=2: n**exponent)
    memoized = keeper.memoize(named)
    assert [memoized(2, 3), memoized(2, exponent=3), memoized(exponent=3, n=2)] == [8, 8, 8]
    assert len(calls) == 1
    with pytest.raises(TypeError, match="nothing"):
        memoized(2, nothing=1)


def test_an_argument_may_be_named_self(keeper):
    @keeper.memoize
    def less(other, self):
        return self - other

    @keeper.memoize
    async def more(other, self):
        return self + other

    assert less(other=2, self=5) == less(2, self=5) == 3
    assert asyncio.run(more(2, self=5)) == 7
    assert less.cache_key(2, self=5) == less.cache_key(2, 5)
    assert less.invalidate(self=5, other=2) and not less.invalidate(2, 5)


def test_calls_that_could_be_confused_are_kept_apart(keeper):
    memoized = keeper.memoize(lambda *args, **kwargs: (args, kwargs))
    calls = [
        ((), {}),
        ((()), {}),
        (((),), {}),
        ((1,), {}),
        (("1",), {}),
        ((b"1",), {}),
        (((1,),), {}),
        (((1,), ("a", 1)), {}),
        ((1,), {"a": 1}),
        (((1,), (("a", 1),)), {}),
    ]
    for args, kwargs in calls:
        assert memoized(*args, **kwargs) == (args, kwargs)
    for args, kwargs in calls:
        assert memoized(*args, **kwargs) == (args, kwargs)


def test_functions_of_the_same_name_do_not_meet(keeper):
    def make(n):
        @keeper.memoize
        def add(m):
            return n + m

        return add

    one, ten = make(1), make(10)
    assert [one(1), ten(1), one(1), ten(1)] == [2, 11, 2, 11]
    one.cache_clear()
    assert (one.cache_info().currsize, ten.cache_info().currsize) == (0, 1)


def test_functions_that_are_given_the_same_name_share_results(keeper):
    first = keeper.memoize(name="shared")(lambda n: n)
    second = keeper.memoize(name="shared")(lambda n: -n)
    assert first(5) == second(5) == 5


def test_a_name_that_begins_like_another_is_not_cleared_with_it(keeper):
    first = keeper.memoize(name="f*[a]?\\")(lambda n: n)
    second = keeper.memoize(name="f*[a]?\\2")(lambda n: n)
    third = keeper.memoize(name="fxa?\\")(lambda n: n)
    assert [first(1), second(1), third(1)] == [1, 1, 1]
    first.cache_clear()
    assert [f.cache_info().currsize for f in (first, second, third)] == [0, 1, 1]


def test_a_name_and_a_key_are_not_taken_for_those_of_another_function(store, cache):
    def same(n):
        return n

    with pytest.raises(memstore.InvalidArgument, match="'user:profile'"):
        store.memoize(name="user:profile")(same)
    assert cache.memoize(name="user:profile")(same)(1) == 1
    same.__qualname__ = "a:b"
    parameters = store.memoize(same).cache_parameters()
    assert ":" not in parameters["name"] and parameters["name"].endswith(".a.b")


@pytest.mark.parametrize("text", ["\0i5", b"\0i5", memoryview(b"\0i5")])
def test_texts_are_not_taken_for_what_stands_for_other_keys(store, text):
    memoized = store.memoize(key=lambda n: n)(type)
    assert memoized(text) is type(text) and memoized(5) is int


def test_texts_and_bytes_are_one_key(store):
    memoized = store.memoize(key=lambda n: n)(len)
    for text in ("k", "\0k"):
        keys = {memoized.cache_key(key) for key in (text, text.encode(), memoryview(text.encode()))}
        assert len(keys) == 1


def test_keys_of_ones_own(store, cache):
    rights, calls = counted(lambda user, *, session=None: user["id"])
    memoized = store.memoize(key=lambda user, **_: f"user/{user['id']}", name="rights")(rights)
    assert memoized({"id": 42}, session=1) == memoized({"id": 42}, session=2) == 42
    assert len(calls) == 1 and memoized.cache_key({"id": 42}) == b"rights:user/42"
    assert store.delete("rights:user/42") and memoized({"id": 42}) == 42
    assert store.memoize(key=lambda n: b"\xff\0", name="n")(lambda n: n).cache_key(1) == b"n:\xff\0"
    pairs = store.memoize(key=lambda n: (n, 1))(lambda n: n)
    assert pairs(1) == 1 and pairs(2) == 2

    in_cache = cache.memoize(key=lambda user: ("user", user["id"]), name="rights")(rights)
    assert in_cache({"id": 7}) == 7
    assert dict(cache) == {("rights", ("user", 7)): 7}


def test_methods(keeper):
    class Account:
        def __init__(self, number):
            self.number = number
            self.calls = 0

        @keeper.memoize(key=lambda self, year: (self.number, year))
        def balance(self, year):
            self.calls += 1
            return self.number * year

    first, second = Account(1), Account(2)
    assert [first.balance(3), first.balance(3), second.balance(3)] == [3, 3, 6]
    assert (first.calls, second.calls) == (1, 1)
    assert Account.balance.invalidate(first, 3)
    assert first.balance(3) == 3 and first.calls == 2


def test_what_was_chosen(keeper):
    memoized = keeper.memoize(ttl=60, name="square")(lambda n: n * n)
    assert memoized.cache_parameters() == {"maxsize": None, "typed": False, "name": "square", "ttl": 60}


def test_tags_in_a_cache(cache):
    calls = []

    @cache.memoize(tags=lambda user: [f"user/{user}", "users"], name="report")
    def report(user):
        calls.append(user)
        return user * 2

    assert [report(1), report(2), report(1)] == [2, 4, 2] and calls == [1, 2]
    # The versions of tags are no entries.
    assert len(cache) == 2 == len(list(cache)) and set(cache.values()) == {2, 4}
    assert {key[:2] for key in cache} == {("report", ((1,),)), ("report", ((2,),))}
    assert cache.invalidate_tags("user/1") == 1
    assert [report(1), report(2)] == [2, 4] and calls == [1, 2, 1]
    assert report.invalidate(2) and report.cache_info().currsize == 2
    assert cache.invalidate_tags("users", "nothing") == 1
    assert [report(1), report(2)] == [2, 4] and calls == [1, 2, 1, 1, 2]
    for _ in range(len(cache)):
        cache.popitem()
    assert len(cache) == 0 and not list(cache.items())
    report.cache_clear()
    assert report.cache_info() == (0, 0, None, 0)


def test_invalidate_and_clear(keeper):
    function, calls = counted(lambda n: n)
    memoized = keeper.memoize(function)
    memoized(1), memoized(2)
    assert memoized.invalidate(1) and not memoized.invalidate(1) and not memoized.invalidate(3)
    memoized(1), memoized(2)
    assert len(calls) == 3
    memoized.cache_clear()
    assert memoized.cache_info() == (0, 0, None, 0)
    memoized(1)
    assert len(calls) == 4


def test_an_invalidation_during_a_call_wins(keeper):
    for invalidate in (lambda: memoized.invalidate(1), lambda: memoized.cache_clear()):

        @keeper.memoize
        def memoized(n, invalidate=invalidate):
            invalidate()
            return n

        assert memoized(1) == 1
        assert memoized.cache_info().currsize == 0


#: How a result is forgotten while it is being computed.
FORGETTING = {
    "invalidate": lambda store, memoized: memoized.invalidate(),
    "cache_clear": lambda store, memoized: memoized.cache_clear(),
    "delete": lambda store, memoized: store.delete(memoized.cache_key()),
}


@pytest.mark.parametrize("how", FORGETTING)
def test_a_call_that_is_refused_is_not_given_what_was_computed_before_an_invalidation(how):
    """One computes what it has read, another waits for the place that this takes, and a third, which calls after the
    invalidation, behind it and in vain."""
    reads, invalidated, has_place, enough = (threading.Event() for _ in range(4))
    row, results = [b"old"], []

    with memstore.Store(max_concurrent_readers=1, lock_timeout=1) as store:
        store["x"] = b""

        @store.memoize(codec="raw")
        def read():
            found = row[0]
            if not invalidated.is_set():
                reads.set()
                assert invalidated.wait(60)
                time.sleep(0.2)  # until the third waits for a place, too
            return found

        def hold_the_place():
            assert reads.wait(60)
            with store.view("x"):
                has_place.set()
                enough.wait(60)

        def call_afterwards():
            assert reads.wait(60)
            time.sleep(0.1)  # until the other waits for the place
            row[0] = b"new"
            FORGETTING[how](store, read)
            invalidated.set()
            try:
                results.append(read())
            except memstore.LockTimeout:
                results.append(None)
            enough.set()

        run_in_threads(read, hold_the_place, call_afterwards)
        assert results in ([None], [b"new"])


class Ordered(memstore.Store):
    """A call of memoized functions in the thread that is late returns only after the one that is early has."""

    late = None

    def get_or_load(self, *args, **kwargs):
        try:
            return super().get_or_load(*args, **kwargs)
        finally:
            if threading.get_ident() == self.late:
                self.may_return.set()
                assert self.has_returned.wait(60)
            else:
                self.has_returned.set()


@pytest.mark.parametrize("how", FORGETTING)
def test_a_call_gets_what_it_has_computed_itself_though_an_earlier_one_ends_after_it(how):
    """Neither result can be kept, in the store or beside it."""
    reads = threading.Event()
    row, results = ["old"], []

    with Ordered({"loader.bypass_limit": "1kB"}, max_entry_size="1kB") as store:
        store.may_return, store.has_returned = threading.Event(), threading.Event()

        @store.memoize(codec="json")
        def read():
            found = row[0] * 5000
            if store.late is None:
                reads.set()
                assert store.may_return.wait(60)
            return found

        def call_afterwards():
            assert reads.wait(60)
            row[0] = "new"
            FORGETTING[how](store, read)
            store.late = threading.get_ident()
            results.append(read())

        run_in_threads(read, call_afterwards)
        assert results == ["new" * 5000]


def test_threads_that_waited_get_what_can_be_kept_nowhere():
    leave = threading.Event()
    calls, results = [], []

    with memstore.Store({"loader.bypass_limit": "1kB"}, max_entry_size="1kB") as store:

        @store.memoize
        def large(n):
            calls.append(n)
            leave.wait(60)
            return "x" * n

        def let_go():
            assert wait_until(lambda: calls and large.cache_info().misses == 8, 60)
            time.sleep(0.1)  # until all of them wait for the one that computes
            leave.set()

        run_in_threads(*[lambda: results.append(large(5000))] * 8, let_go)
        assert results == ["x" * 5000] * 8


def test_many_threads_compute_once(keeper):
    leave = threading.Event()
    calls, results = [], []

    @keeper.memoize
    def slow(n):
        calls.append(n)
        leave.wait(60)
        return [n]

    def let_go():
        assert wait_until(lambda: calls, 60)
        leave.set()

    run_in_threads(*[lambda: results.append(slow(1))] * 16, let_go)
    assert calls == [1] and results == [[1]] * 16


def raised_in_threads(keeper, raises):
    """Eight threads call a function that raises: what each gets, and how often the function was called."""
    leave = threading.Event()
    calls, raised = [], []

    @keeper.memoize
    def fails(n):
        calls.append(n)
        leave.wait(60)
        raise raises(n)

    def ask():
        try:
            fails(1)
        except BaseException as failure:
            raised.append(type(failure))

    def let_go():
        assert wait_until(lambda: calls and fails.cache_info().misses == 8, 60)
        leave.set()

    run_in_threads(*[ask] * 8, let_go)
    return raised, len(calls)


def test_threads_that_waited_get_the_functions_own_exception(keeper):
    raised, _ = raised_in_threads(keeper, ZeroDivisionError)
    assert raised == [ZeroDivisionError] * 8


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_for_the_thread_that_it_was_raised_in(keeper, interrupt):
    raised, calls = raised_in_threads(keeper, interrupt)
    assert raised.count(interrupt) == calls
    assert raised.count(memstore.LoaderFailed) == 8 - calls


def test_recursion(keeper):
    @keeper.memoize
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(60) == 1548008755920

    @keeper.memoize
    def endless(n):
        return endless(n)

    with pytest.raises(memstore.LoaderFailed):
        endless(1)


def test_a_function_may_ask_to_be_called_again():
    with memstore.Store(loader={"retry_initial": 0.001}) as store:
        answers = [memstore.LoadRetry(), 5]

        @store.memoize
        def ask():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert ask() == ask() == 5


def test_codecs(store):
    as_json = store.memoize(codec="json", name="j")(lambda: {"a": (1, 2)})
    assert as_json() == {"a": [1, 2]} and store[as_json.cache_key()] == b'{"a":[1,2]}'
    raw = store.memoize(codec=memstore.RAW, name="r")(lambda: bytearray(b"raw"))
    assert raw() == raw() == b"raw" and store[raw.cache_key()] == b"raw"
    absent, calls = counted(lambda: None)
    absent = store.memoize(codec="raw")(absent)
    assert absent() is None and absent() is None and len(calls) == 1
    with pytest.raises(memstore.InvalidArgument, match="pickle, json, msgpack, raw"):
        store.memoize(codec="yaml")(lambda: 1)
    with pytest.raises(TypeError):
        store.memoize(codec="json")(object)()


def test_what_is_too_large_is_computed_each_time():
    with memstore.Store(max_entry_size=1000) as store:
        function, calls = counted(lambda n: "x" * n)
        memoized = store.memoize(function)
        assert [memoized(n) for n in (10, 10, 5000, 5000)] == ["x" * 10, "x" * 10, "x" * 5000, "x" * 5000]
        assert len(calls) == 3


def test_a_function_of_a_closed_store_is_still_a_function(keeper):
    memoized = keeper.memoize(lambda n: n)

    @keeper.memoize
    async def amemoized(n):
        return n

    assert memoized(1) == 1
    keeper.close()
    assert [memoized(1), memoized(2), asyncio.run(amemoized(3))] == [1, 2, 3]
    with pytest.raises(memstore.CacheClosed):
        memoized.cache_info()


def test_what_is_no_function_is_refused(keeper):
    for wrong in (60, "60s"):
        with pytest.raises(TypeError, match="keyword"):
            keeper.memoize(wrong)
    with pytest.raises(TypeError):
        keeper.memoize(lambda items: items)(["unhashable"])


# ---- asyncio


def test_results_are_refreshed_before_they_expire():
    with memstore.Store(refresh_after=0.05) as store:
        numbers = itertools.count()

        @store.memoize(ttl=60)
        def number():
            return refreshed_once(2)

        @store.memoize(ttl=60)
        async def number_of_task():
            return refreshed_once(0)

        def refreshed_once(first):
            number = next(numbers)
            store.reconfigure("loader.refresh_after", 0.05 if number == first else 0)
            return number

        async def run():
            assert await number_of_task() == 0
            calls = 2
            while await number_of_task() != 1:
                calls += 1
                await asyncio.sleep(0.001)
            return calls, number_of_task.cache_info()

        calls, info = asyncio.run(run())
        # Who was given what was there has had a hit, whatever is computed for others after that.
        assert info.misses == 1 and info.hits == calls - 1
        assert number() == 2 and wait_until(lambda: number() == 3)
        info = number.cache_info()
        assert info.misses == 2 and info.hits > 0
        assert number() == 3 and number.cache_info().hits == info.hits + 1


@pytest.mark.parametrize("settings", [{}, {"max_concurrent_readers": 1, "lock_timeout": 0.01}])
def test_what_is_not_old_takes_no_load_where_results_are_refreshed(settings, monkeypatch):
    def no_load(*_):
        raise AssertionError("it is kept")

    with memstore.Store(refresh_after="1h", **settings) as store:
        memoized = store.memoize(lambda n: b"x" * n)

        @store.memoize
        async def of_task(n):
            return b"x" * n

        for n in (1, 100_000):
            assert memoized(n) == asyncio.run(of_task(n)) == b"x" * n
        monkeypatch.setattr(memstore.Store, "get_or_load", no_load)
        monkeypatch.setattr(memstore.Store, "aget_or_load", no_load)
        store["other"] = b"value"
        with store.view("other"):
            for n in (1, 100_000):
                assert memoized(n) == asyncio.run(of_task(n)) == b"x" * n
        assert memoized.cache_info()[:2] == of_task.cache_info()[:2] == (2, 2)


def test_coroutine_functions(keeper):
    calls = []

    @keeper.memoize(ttl=60)
    async def square(n):
        calls.append(n)
        await asyncio.sleep(0.01)
        return [n * n]

    async def run():
        return await asyncio.gather(*[square(i % 2) for i in range(200)])

    assert inspect.iscoroutinefunction(square)
    results = asyncio.run(run())
    assert results == [[0], [1]] * 100 and calls == [0, 1]
    assert results[0] is not results[2]
    assert asyncio.run(square(n=1)) == [1] and calls == [0, 1]
    assert square.cache_info() == (1, 200, None, 2)
    assert square.invalidate(1) and asyncio.run(square(1)) == [1] and calls == [0, 1, 1]


def test_objects_whose_calls_are_awaited(keeper):
    class Square:
        def __init__(self):
            self.calls = []

        async def __call__(self, n, more=0):
            self.calls.append(n)
            return n * n + more

    square = Square()
    for function, expected in ((square, 9), (functools.partial(square, more=1), 10), (functools.partial(square.__call__), 9)):
        square.calls.clear()
        memoized = keeper.memoize(function)
        assert inspect.iscoroutinefunction(memoized)
        assert [asyncio.run(memoized(3)), asyncio.run(memoized(3))] == [expected] * 2
        assert square.calls == [3]
    assert not inspect.iscoroutinefunction(keeper.memoize(Square))


def test_coroutine_functions_that_fail_or_find_nothing(keeper):
    answers = [ValueError("down"), None]

    @keeper.memoize
    async def ask():
        answer = answers.pop(0)
        await asyncio.sleep(0.01)
        if answer is not None:
            raise answer

    async def run():
        return await asyncio.gather(*[ask() for _ in range(5)], return_exceptions=True)

    assert [str(failure) for failure in asyncio.run(run())] == ["down"] * 5
    assert asyncio.run(run()) == [None] * 5
    assert asyncio.run(ask()) is None and answers == []


def test_a_cancelled_task_does_not_harm_the_others(keeper):
    async def run():
        leave = asyncio.Event()

        @keeper.memoize
        async def slow():
            await leave.wait()
            return 1

        tasks = [asyncio.create_task(slow()) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()
        leave.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(run())
    assert isinstance(results[0], asyncio.CancelledError) and results[1:] == [1, 1]


def test_what_the_store_cannot_take_is_returned():
    with memstore.Store(memory_limit="1MB", bypass_limit="1MB") as store:

        @store.memoize
        def large():
            return bytes(3_000_000)

        assert len(large()) == len(large()) == 3_000_000
        assert large.cache_info()[:2] == (0, 2)
        store.reconfigure("on_store_error", "fail")
        with pytest.raises(memstore.EntryTooLarge):
            large()


def test_options_of_the_wrong_type_are_refused_at_once(store):
    for options, why in (({"name": 5}, "the name of a memoized function is a str, not 5"), ({"key": "x"}, "not 'x'")):
        with pytest.raises(TypeError, match=why):
            store.memoize(**options)(str)
    assert len(store) == 0
