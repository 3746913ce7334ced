/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of advice.h share: when findings say enough, and how advice is written. */
#ifndef MS_ADVICE_JUDGING_H
#define MS_ADVICE_JUDGING_H

#include "advice/advice.h"
#include "util/text.h"

#include <string.h>

/* What less than this is not worth a change: a point is a hundredth of the reads. */
#define MS_WORTH 0.02
#define MS_NO_LOSS 0.005
/* Fewer reads in the sample say too little. */
#define MS_ENOUGH_SAMPLED 1000
#define MS_ENOUGH_COUNTED 100

static inline struct ms_advice *ms_advice_add(struct ms_advice_list *list, enum ms_advice_kind kind,
                                              enum ms_advice_severity severity, const char *setting)
{
    struct ms_advice *advice = &list->items[list->count++];

    *advice = (struct ms_advice){.kind = kind, .severity = severity, .setting = setting};
    return advice;
}

#define MS_SAY(member, ...) ms_text_format(member, sizeof(member), __VA_ARGS__)
/* The same, behind what was said. */
#define MS_SAY_ALSO(member, ...)                                                                   \
    ms_text_format((member) + strlen(member), sizeof(member) - strlen(member), __VA_ARGS__)

static inline double ms_percent(double share)
{
    return 100 * share;
}

static inline double ms_share(uint64_t part, uint64_t all)
{
    return all != 0 ? (double)part / (double)all : 0;
}

static inline bool ms_findings_are_enough(const struct ms_findings *findings)
{
    return findings->pattern.is_tracked && findings->pattern.sampled_reads >= MS_ENOUGH_SAMPLED;
}

/* ---- memory_advice.c, ttl_advice.c: each adds what the findings deserve ---- */

void ms_judge_more_memory(const struct ms_findings *findings, struct ms_advice_list *list);
void ms_judge_less_memory(const struct ms_findings *findings, struct ms_advice_list *list);
void ms_judge_memory_pressure(const struct ms_findings *findings, struct ms_advice_list *list);
void ms_judge_long_ttl(const struct ms_findings *findings, struct ms_advice_list *list);
void ms_judge_short_ttl(const struct ms_findings *findings, struct ms_advice_list *list);
void ms_judge_jitter(const struct ms_findings *findings, struct ms_advice_list *list);

#endif
