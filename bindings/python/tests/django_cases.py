# SPDX-License-Identifier: Apache-2.0
"""Run Django's own test cases of caches against MemstoreCache: usage django_cases.py FOLDER_WITH_DJANGOS_TESTS.

The folder is ``tests`` of Django's source distribution. Prints unittest's report; the exit code says whether all passed.
"""

import os
import sys
import unittest

sys.path.insert(0, sys.argv[1])

import django  # noqa: E402
from django.conf import settings  # noqa: E402

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    CACHES={"default": {"BACKEND": "memstore.integrations.django.MemstoreCache"}},
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    },
    INSTALLED_APPS=["cache"],
    ROOT_URLCONF="cache.tests",
    SECRET_KEY="tests",
    USE_TZ=False,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    MIDDLEWARE=[],
)
django.setup()

from cache.tests import BaseCacheTests, caches_setting_for_tests  # noqa: E402
from django.core.cache import cache, caches  # noqa: E402
from django.test import TestCase, override_settings  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402

BACKEND = "memstore.integrations.django.MemstoreCache"
#: They count entries, where a store counts bytes.
ABOUT_COUNTS = ("test_cull", "test_zero_cull", "test_cull_delete_when_store_empty")


@override_settings(CACHES=caches_setting_for_tests(BACKEND=BACKEND))
class MemstoreCacheTests(BaseCacheTests, TestCase):
    def setUp(self):
        super().setUp()
        # What they share is one store; those who are to differ have other prefixes.
        for alias in caches.settings:
            caches[alias].clear()

    def test_caches_of_one_location_share_a_store(self):
        self.assertIs(caches["default"].store, caches["prefix"].store)
        cache.set("key", 1)
        self.assertEqual(caches["default"].get("key"), 1)


for name in ABOUT_COUNTS:
    setattr(MemstoreCacheTests, name, unittest.skip("counts entries")(getattr(MemstoreCacheTests, name)))


if __name__ == "__main__":
    runner = DiscoverRunner(verbosity=1, interactive=False)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    try:
        result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(
            unittest.defaultTestLoader.loadTestsFromTestCase(MemstoreCacheTests)
        )
    finally:
        runner.teardown_databases(databases)
    sys.stdout.flush()
    os._exit(0 if result.wasSuccessful() else 1)
