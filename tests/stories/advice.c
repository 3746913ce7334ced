/* SPDX-License-Identifier: Apache-2.0 */
#include "stories/advice.h"

#include "support/criterion.h"

int hear_advice(const memstore_advice *advice, void *context)
{
    struct heard *heard = context;
    const int i = heard->count++;

    cr_assert_eq(advice->struct_size, sizeof *advice);
    heard->kinds[i] = advice->kind;
    snprintf(heard->setting[i], sizeof heard->setting[i], "%s", advice->setting);
    snprintf(heard->current[i], sizeof heard->current[i], "%s", advice->current);
    snprintf(heard->suggested[i], sizeof heard->suggested[i], "%s", advice->suggested);
    snprintf(heard->expected[i], sizeof heard->expected[i], "%s", advice->expected);
    snprintf(heard->evidence[i], sizeof heard->evidence[i], "%s", advice->evidence);
    cr_assert(advice->what[0] != '\0' && advice->expected[0] != '\0' && advice->name[0] != '\0');
    return 0;
}

struct heard ask_advice(memstore *store)
{
    struct heard heard = {0};

    assert_ok(memstore_advise(store, hear_advice, &heard));
    return heard;
}

/* Where a kind is, or -1. */
int find_advice(const struct heard *heard, int kind)
{
    for (int i = 0; i < heard->count; i++) {
        if (heard->kinds[i] == kind)
            return i;
    }
    return -1;
}

int assert_advised(memstore *store, struct heard *heard, int kind, const char *setting)
{
    *heard = ask_advice(store);
    const int i = find_advice(heard, kind);

    cr_assert_geq(i, 0, "no advice of kind %d", kind);
    cr_assert_str_eq(heard->setting[i], setting);
    return i;
}

void assert_not_advised(memstore *store, int kind)
{
    struct heard heard = ask_advice(store);
    const int i = find_advice(&heard, kind);

    cr_assert_lt(i, 0, "because %s", heard.evidence[i < 0 ? 0 : i]);
}

const char *account_key(uint64_t i)
{
    static char key[32];

    snprintf(key, sizeof key, "account/balance/%08u", (unsigned)i);
    return key;
}

char account_filler[100000];

void put_account(memstore *store, uint64_t i, size_t size, int64_t ttl)
{
    const char *key = account_key(i);

    assert_ok(memstore_set(store, key, strlen(key), account_filler, size, ttl));
}

/* Read, and write what is not there. */
bool use_account(memstore *store, uint64_t i, size_t size, int64_t ttl)
{
    const char *key = account_key(i);
    size_t found;
    const int status =
        memstore_get(store, key, strlen(key), account_filler, sizeof account_filler, &found);

    if (status == MEMSTORE_ERR_KEY_NOT_FOUND)
        put_account(store, i, size, ttl);
    else
        assert_ok(status);
    return status == MEMSTORE_OK;
}

/* Keys at random; some are used more than others. */
double use_accounts_at_random(memstore *store, uint64_t keys, int times)
{
    struct test_rng rng = {42};
    int hits = 0;

    for (int i = 0; i < times; i++) {
        const uint64_t a = test_below(&rng, keys), b = test_below(&rng, keys);

        hits += use_account(store, a < b ? a : b, 100, 0);
    }
    return 1 - (double)hits / times;
}

/* Do what was advised. */
void follow_advice(memstore *store, const struct heard *heard, int i)
{
    const int status = memstore_reconfigure(store, heard->setting[i], heard->suggested[i]);

    cr_assert_eq(status, MEMSTORE_OK, "%s: %s (is %s): %s", heard->setting[i], heard->suggested[i],
                 heard->current[i], memstore_status_name(status));
}

double foretold(memstore *store, double bytes)
{
    memstore_miss_ratio_point points[MEMSTORE_CURVE_POINTS];
    size_t n, best = 0;

    assert_ok(memstore_get_miss_ratio_curve(store, points, MEMSTORE_CURVE_POINTS, &n));
    for (size_t i = 1; i < n; i++) {
        cr_assert_gt(points[i].bytes, points[i - 1].bytes);
        cr_assert_leq(points[i].miss_ratio, points[i - 1].miss_ratio + 1e-9);
        if (llabs((int64_t)points[i].bytes - (int64_t)bytes) <
            llabs((int64_t)points[best].bytes - (int64_t)bytes))
            best = i;
    }
    return points[best].miss_ratio;
}

int take_text(const char *data, size_t size, void *context)
{
    struct taken_text *taken = context;

    taken->text = strndup(data, size);
    taken->calls++;
    return 0;
}
