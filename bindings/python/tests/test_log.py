# SPDX-License-Identifier: Apache-2.0
import gc
import logging
import os
import signal
import subprocess
import sys
import threading

import pytest

import memstore


class Kept(logging.Handler):
    """Keeps records; wait() waits for one of an event."""

    def __init__(self, call=None):
        super().__init__()
        self.call = call
        self.records = []
        self.changes = threading.Condition()

    def emit(self, record):
        with self.changes:
            self.records.append(record)
            self.changes.notify_all()
        if self.call is not None:
            self.call()

    def of(self, event):
        return [record for record in self.records if record.memstore["event"] == event]

    def wait(self, event):
        with self.changes:
            assert self.changes.wait_for(lambda: self.of(event), timeout=60), f"{event} was not told"
            return self.of(event)[0]


@pytest.fixture
def logged():
    """A logger of its own, and what it was given."""
    logger = logging.Logger("blocks", logging.INFO)
    logger.addHandler(Kept())
    return logger, logger.handlers[0]


def test_records_have_level_time_text_and_typed_fields(logged):
    logger, kept = logged
    with memstore.Store(logger=logger, store_name="blocks", shards=16, hit_rate_threshold=0.5, verbose=False) as store:
        store.reconfigure("ttl.max_ttl", "1h")
        with pytest.raises(memstore.InvalidConfig):
            store.reconfigure("ttl.max_ttl", "soon")
    kept.wait("closed")
    opened = kept.wait("opened")
    assert opened.levelno == logging.INFO and opened.name == "blocks"
    assert opened.getMessage().startswith("opened: store opened store='blocks' version=")
    assert opened.memstore["shards"] == 16 and opened.memstore["monitoring.hit_rate_threshold"] == 0.5
    assert opened.memstore["limit"] == 64_000_000 and opened.memstore["store_name"] == "blocks"
    assert kept.of("reconfigured")[0].memstore["now"] == "1h"
    assert kept.of("reconfigure_refused")[0].levelno == logging.WARNING


def test_true_stands_for_the_logger_memstore(caplog):
    with caplog.at_level(logging.INFO, "memstore"):
        store = memstore.Store(logger=True)
        reader = store._log_reader
        store.close()
        reader.end(timeout=60)
    assert [record.name for record in caplog.records] == ["memstore", "memstore"]


def test_what_a_logger_is_not_enabled_for_is_not_told(logged):
    logger, kept = logged
    logger.setLevel(logging.WARNING)
    with memstore.Store(logger=logger, eviction="none", memory_limit="1MB", maintenance="manual") as store:
        with pytest.raises(memstore.CacheFull):
            for i in range(100_000):
                store.set(f"key/{i}", bytes(100))
    assert kept.wait("no_room").memstore["why"] == "eviction is off"
    assert {record.memstore["event"] for record in kept.records} == {"no_room"}


def test_why_a_store_does_not_open_is_told(logged):
    logger, kept = logged
    with pytest.raises(memstore.InvalidConfig):
        memstore.Store(logger=logger, memory_limit="1kB")
    assert kept.records[0].memstore["status"] == "MEMSTORE_ERR_INVALID_CONFIG"
    with pytest.raises(TypeError):
        memstore.Store(logger="memstore")


def test_a_store_that_is_not_opened_again_goes_on_with_its_logger(logged):
    logger, kept = logged
    with memstore.Store(logger=logger) as store:
        for other in (None, logging.Logger("other")):
            with pytest.raises(memstore.InvalidArgument):
                store.__init__(logger=other)
        gc.collect()
    kept.wait("closed")


def test_a_handler_may_call_the_store_and_close_it(logged):
    logger, kept = logged
    ready = threading.Event()
    stores = []

    def close():
        ready.wait()
        len(stores[0])
        stores[0].close()

    kept.call = close
    stores.append(memstore.Store(logger=logger))
    ready.set()
    kept.wait("closed")
    assert stores[0].closed


def test_a_handler_that_fails_ends_nothing(logged, capsys):
    logger, kept = logged

    def fail():
        raise ValueError("no disk")

    kept.call = fail
    with memstore.Store(logger=logger):
        kept.wait("opened")
    kept.wait("closed")


def test_a_logger_that_cannot_make_a_record_loses_that_one_alone(logged, capsys):
    logger, kept = logged

    def make_record(*args, **kwargs):
        logger.makeRecord = make
        raise ValueError("no such field")

    make, logger.makeRecord = logger.makeRecord, make_record
    with memstore.Store(logger=logger):
        pass
    kept.wait("closed")
    assert not kept.of("opened") and "no such field" in capsys.readouterr().err


def test_a_child_tells_its_own_records(logged):
    logger, kept = logged
    store = memstore.Store(logger=logger)
    kept.wait("opened")
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        kept.changes = threading.Condition()
        kept.records.clear()
        try:
            store.reconfigure("ttl.max_ttl", "1h")
            kept.wait("reconfigured")
            os._exit(0 if len(kept.records) == 1 else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.close()
    kept.wait("closed")
    assert not kept.of("reconfigured")


def test_what_is_said_before_the_program_ends_is_told():
    program = (
        "import logging, memstore; logging.basicConfig(level=logging.INFO, format='%(name)s %(message)s');"
        "store = memstore.Store(logger=True, store_name='last'); store.close()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert "memstore opened: store opened store='last'" in done.stderr and "closed: store closed" in done.stderr


def test_logger_enabled_writes_to_stderr(capfd):
    with memstore.Store(logger_enabled=True, store_name="two words") as store:
        store.reconfigure("ttl.max_ttl", 60)
    assert 'store="two words" event=reconfigured msg="setting changed" key=ttl.max_ttl before=0 now=1m\n' in (
        capfd.readouterr().err
    )
