/* SPDX-License-Identifier: Apache-2.0 */
/* Money moved between accounts by batches with conditions.
 *
 * A transfer reads two accounts, and writes both on the condition that neither has changed since
 * (memstore_batch_expect_version()). A removal closes an account and opens another with the same
 * balance, on the condition that there is none (memstore_batch_expect_absent()). Every get_many of
 * all accounts finds the sum that there was at the start, and nobody ever finds the mark of a
 * transfer that was refused. */
#include "support/support.h"
#include "support/team.h"

#include "support/preempt.h"

#include <inttypes.h>
#include <stdatomic.h>

#define ACCOUNTS 12 /* half of them open at the start */
#define OPENING 1000
#define TOTAL (ACCOUNTS / 2 * OPENING)
#define MOVERS 3
#define READERS 2
#define CLAIMS 20000
/* Tickets of refused transfers that are remembered. */
#define REFUSED_MAX (1 << 20)

struct account {
    int64_t balance;
    uint64_t ticket; /* of the transfer that wrote it */
};

struct scenario {
    const char *name;
    const char *settings[5];
};

/* On a machine that others use as well, a thread may stand still for long with a lock held. */
#define PATIENT "performance.lock_timeout=30s"

static const struct scenario scenarios[] = {
    {"accounts over many shards", {PATIENT, "shards=1024"}},
    {"accounts in one shard", {PATIENT, "shards=1"}},
    {"while segments are compacted",
     {PATIENT, "performance.memory_limit=512KiB", "eviction=none", "performance.gc_percent=5"}},
};

static memstore *store;
static uint64_t seed;
static memstore_key keys[ACCOUNTS];
static char names[ACCOUNTS][16];
static atomic_uint_least64_t tickets;
static atomic_uchar refused[REFUSED_MAX];
static atomic_uint_least64_t transfers, conflicts, snapshots;

static struct account account_of(const memstore_view *view)
{
    struct account account;

    CHECK(view->size == sizeof account);
    memcpy(&account, view->data, sizeof account);
    CHECK(account.ticket >= REFUSED_MAX || !atomic_load(&refused[account.ticket]));
    return account;
}

static void put(memstore_batch *batch, unsigned number, struct account account)
{
    CHECK_OK(memstore_batch_set(batch, keys[number].data, keys[number].size, &account,
                                sizeof account, MEMSTORE_TTL_NONE));
}

static void expect(memstore_batch *batch, unsigned number, const memstore_view *view)
{
    if (view->data != NULL)
        CHECK_OK(memstore_batch_expect_version(batch, keys[number].data, keys[number].size,
                                               view->version));
    else
        CHECK_OK(memstore_batch_expect_absent(batch, keys[number].data, keys[number].size));
}

/* What moving `amount` from one account to another asks for. To one that is closed everything is
 * moved, and the first is closed. */
static void draft(memstore_batch *batch, const unsigned numbers[2], const memstore_view views[2],
                  int64_t amount, uint64_t ticket)
{
    const struct account from = account_of(&views[0]);

    expect(batch, numbers[0], &views[0]);
    expect(batch, numbers[1], &views[1]);
    if (views[1].data == NULL) {
        CHECK_OK(memstore_batch_delete(batch, keys[numbers[0]].data, keys[numbers[0]].size));
        put(batch, numbers[1], (struct account){from.balance, ticket});
    } else {
        const struct account to = account_of(&views[1]);
        put(batch, numbers[0], (struct account){from.balance - amount, ticket});
        put(batch, numbers[1], (struct account){to.balance + amount, ticket});
    }
}

static void move_money(memstore_batch *batch, struct test_rng *rng)
{
    const unsigned from = (unsigned)test_below(rng, ACCOUNTS);
    const unsigned numbers[2] = {from,
                                 (from + 1 + (unsigned)test_below(rng, ACCOUNTS - 1)) % ACCOUNTS};
    const memstore_key both[2] = {keys[numbers[0]], keys[numbers[1]]};
    const uint64_t ticket = atomic_fetch_add(&tickets, 1);
    memstore_view views[2];
    size_t found;

    CHECK_OK(memstore_get_many(store, both, 2, views, &found));
    if (views[0].data != NULL) {
        const bool removal = views[1].data == NULL;
        draft(batch, numbers, views, (int64_t)test_below(rng, 100), ticket);
        preempt_here();
        const int status = memstore_batch_commit(batch);
        if (status == MEMSTORE_OK) {
            atomic_fetch_add(&transfers, 1);
        } else {
            CHECK(status == MEMSTORE_ERR_VERSION_MISMATCH ||
                  (removal && status == MEMSTORE_ERR_KEY_EXISTS));
            atomic_fetch_add(&conflicts, 1);
            if (ticket < REFUSED_MAX)
                atomic_store(&refused[ticket], 1);
        }
    }
    memstore_view_release_many(views, 2);
}

static void move(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        memstore_batch *batch = memstore_batch_new(store);
        CHECK(batch != NULL);
        preempt_seed(test_random(&rng));
        move_money(batch, &rng);
        memstore_batch_free(batch);
    }
}

static void audit_once(void)
{
    memstore_view views[ACCOUNTS];
    int64_t sum = 0;
    size_t found;

    CHECK_OK(memstore_get_many(store, keys, ACCOUNTS, views, &found));
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        if (views[i].data != NULL)
            sum += account_of(&views[i]).balance;
    }
    CHECK(sum == TOTAL);
    CHECK(found == ACCOUNTS / 2);
    memstore_view_release_many(views, ACCOUNTS);
    atomic_fetch_add(&snapshots, 1);
}

static void audit(unsigned number, void *context)
{
    struct test_rng rng = {seed + number};

    (void)context;
    while (test_team_goes_on()) {
        preempt_seed(test_random(&rng));
        audit_once();
    }
}

static void open_accounts(void)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        const struct account account = {OPENING, UINT64_MAX};

        keys[i] =
            (memstore_key){names[i], (size_t)snprintf(names[i], sizeof names[i], "account/%u", i)};
        if (i % 2 == 0)
            CHECK_OK(memstore_set(store, keys[i].data, keys[i].size, &account, sizeof account,
                                  MEMSTORE_TTL_NONE));
    }
}

/* ---- Claims: of all who want a key that is absent one gets it, and both keys are theirs ---- */

static atomic_uint_least64_t wins, losses;

static void claim_key(char *name, size_t size, const char *kind, unsigned number)
{
    snprintf(name, size, "%s/%u", kind, number);
}

static void claim(unsigned number, unsigned thread)
{
    const uint64_t mine = (uint64_t)number << 8 | thread;
    char name[32], owner[32];
    memstore_batch *batch = memstore_batch_new(store);

    CHECK(batch != NULL);
    claim_key(name, sizeof name, "claim", number);
    claim_key(owner, sizeof owner, "owner", number);
    CHECK_OK(memstore_batch_expect_absent(batch, name, strlen(name)));
    CHECK_OK(memstore_batch_set(batch, name, strlen(name), &mine, sizeof mine, MEMSTORE_TTL_NONE));
    CHECK_OK(
        memstore_batch_set(batch, owner, strlen(owner), &mine, sizeof mine, MEMSTORE_TTL_NONE));
    const int status = memstore_batch_commit(batch);
    CHECK(status == MEMSTORE_OK || status == MEMSTORE_ERR_KEY_EXISTS);
    atomic_fetch_add(status == MEMSTORE_OK ? &wins : &losses, 1);
    memstore_batch_free(batch);

    uint64_t won[2] = {0, 0};
    size_t size;
    CHECK_OK(memstore_get(store, owner, strlen(owner), &won[0], sizeof won[0], &size));
    CHECK_OK(memstore_get(store, name, strlen(name), &won[1], sizeof won[1], &size));
    CHECK(won[0] == won[1] && won[0] >> 8 == number);
    CHECK((status == MEMSTORE_OK) == (won[0] == mine));
}

static atomic_uint claimed;

static void claim_all(unsigned thread, void *context)
{
    struct test_rng rng = {seed + thread};

    (void)context;
    /* Everybody goes for the same number until it is taken, and then for the next. */
    for (unsigned number; test_team_goes_on() && (number = atomic_load(&claimed)) < CLAIMS;) {
        preempt_seed(test_random(&rng));
        claim(number, thread);
        atomic_compare_exchange_strong(&claimed, &number, number + 1);
    }
}

static bool has_lost(void)
{
    return atomic_load(&losses) > 0;
}

static void run_claims(double seconds)
{
    struct test_team team = {0};

    store = test_open(PATIENT, "shards=16", NULL);
    test_team_start(&team, MOVERS + READERS, claim_all, NULL);
    test_team_finish_when(&team, seconds, has_lost);
    const uint64_t numbers = atomic_load(&claimed);
    CHECK(atomic_load(&wins) == numbers || atomic_load(&wins) == numbers + 1);
    CHECK(atomic_load(&losses) > 0);
    memstore_destroy(store);
    printf("ok   claims: %" PRIu64 " won, %" PRIu64 " refused\n", atomic_load(&wins),
           atomic_load(&losses));
}

static bool has_done_enough(void)
{
    return atomic_load(&transfers) > 0 && atomic_load(&conflicts) > 0;
}

static void run_transfers(const struct scenario *scenario, double seconds)
{
    struct test_team team = {0};

    memset(refused, 0, sizeof refused);
    atomic_store(&tickets, 0);
    atomic_store(&transfers, 0);
    atomic_store(&conflicts, 0);
    atomic_store(&snapshots, 0);
    store = test_open_list(scenario->settings);
    open_accounts();
    test_team_start(&team, MOVERS, move, NULL);
    test_team_start(&team, READERS, audit, NULL);
    test_team_finish_when(&team, seconds, has_done_enough);
    audit_once();
    memstore_destroy(store);
    CHECK(atomic_load(&transfers) > 0 && atomic_load(&conflicts) > 0);
    printf("ok   %s: %" PRIu64 " transfers, %" PRIu64 " refused, %" PRIu64 " snapshots\n",
           scenario->name, atomic_load(&transfers), atomic_load(&conflicts),
           atomic_load(&snapshots));
}

int main(int argc, char **argv)
{
    const double seconds = test_seconds(argc, argv, 2) / (TEST_COUNT_OF(scenarios) + 1);

    seed = test_seed("stress_transfers");
    preempt_start(8);
    for (size_t i = 0; i < TEST_COUNT_OF(scenarios); i++)
        run_transfers(&scenarios[i], seconds);
    run_claims(seconds);
    preempt_stop();
    printf("stress_transfers: %zu passed, 0 failed\n", TEST_COUNT_OF(scenarios) + 1);
    return 0;
}
