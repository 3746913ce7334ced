/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings to change, judged by findings alone: the same findings give the same advice. */
#ifndef MS_ADVICE_ADVICE_H
#define MS_ADVICE_ADVICE_H

#include "advice/findings.h"

/* As enum memstore_advice_kind and enum memstore_advice_severity, which api/advise.c holds them to. */
enum ms_advice_kind {
    MS_ADVICE_TRACKING = 1,
    MS_ADVICE_MORE_MEMORY,
    MS_ADVICE_LESS_MEMORY,
    MS_ADVICE_EVICTION,
    MS_ADVICE_TTL_TOO_LONG,
    MS_ADVICE_TTL_TOO_SHORT,
    MS_ADVICE_TTL_JITTER,
    MS_ADVICE_HOT_KEYS,
    MS_ADVICE_READ_ONCE,
    MS_ADVICE_LARGE_ENTRIES,
    MS_ADVICE_SHARDS,
    MS_ADVICE_REFUSED,
    MS_ADVICE_MEMORY_PRESSURE,
    MS_ADVICE_KINDS = MS_ADVICE_MEMORY_PRESSURE
};
enum ms_advice_severity { MS_ADVICE_INFO, MS_ADVICE_SUGGESTION, MS_ADVICE_WARNING };

struct ms_advice {
    enum ms_advice_kind kind;
    enum ms_advice_severity severity;
    const char *setting; /* static; "" = none */
    char what[160];
    char evidence[320];
    char current[48];
    char suggested[48];
    char expected[200];
};

struct ms_advice_list {
    uint32_t count;
    struct ms_advice items[MS_ADVICE_KINDS]; /* one of a kind at most */
};

/* "more_memory"; static. */
const char *ms_advice_name(enum ms_advice_kind kind);
const char *ms_advice_severity_name(enum ms_advice_severity severity);
/* What matters most first. */
void ms_advise(const struct ms_findings *findings, struct ms_advice_list *list);

#endif
