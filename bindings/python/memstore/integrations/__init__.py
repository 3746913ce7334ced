# SPDX-License-Identifier: Apache-2.0
"""Stores in the place of the caches of frameworks: a module for each, which needs its framework.

| module | framework | what it is |
|---|---|---|
| ``memstore.integrations.django`` | Django | a cache backend, ``MemstoreCache`` |
| ``memstore.integrations.dogpile`` | dogpile.cache | the backend ``memstore`` |
| ``memstore.integrations.flask_caching`` | Flask-Caching | a cache type, ``MemstoreCache`` |
| ``memstore.integrations.aiocache`` | aiocache | ``MemstoreCache`` |
| ``memstore.integrations.requests_cache`` | requests-cache | ``MemstoreCache`` |
| ``memstore.integrations.redis`` | redis-py | a near cache for client-side caching, ``NearCache`` |
| ``memstore.integrations.valkey`` | valkey-py | the same |
"""
