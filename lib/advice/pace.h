/* SPDX-License-Identifier: Apache-2.0 */
/* How many keys are followed: the share that was asked for, and more while they are few, for what
 * single keys do cannot be told from others in a sample of some ten.
 *
 *     all keys --> 2048 of them --> the share that was asked for, by turns with a pause
 *                       |
 *                       `--> 384 of them, by turns with a pause
 *
 * All keys are followed at first, and the threshold is lowered, down to the share, while they are more
 * than is enough. What is followed above the share has an allowance of references: some to begin with,
 * as many once more, and in the long run of those that there are a part of the share. When it is used
 * up the threshold is lowered to where few are left, and those are followed for a while, then nothing for a while.
 *
 * The share's keys are followed for a while, too, then nothing for seven times as long, so that a part of the
 * share of the references is in the sample in the long run, of whatever number of keys: what they do is
 * known after that, and each reference costs. Of a large share the part is that share: who asks for
 * all gets all.
 *
 * What is done in a pause is left out of everything: a sample of time beside the one of keys. What
 * comes after it counts as if it had come right after what was before. Each key can be off by that once
 * in the references for which it is followed at a time.
 *
 * PA-1  The threshold is at the share or above, unless there is no room for as many keys.
 * PA-2  Not more reads are in the sample than the allowance, as far as ms_pace_keep() is
 *       called in time, or those of the share's keys.
 * PA-3  The share's keys are followed for MS_PACE_RUN references each from one pause to the next, during
 *       MS_PACE_PART of all reads in the long run, or the share of them if that is more. */
#ifndef MS_ADVICE_PACE_H
#define MS_ADVICE_PACE_H

#include "advice/reuse.h"

/* Keys: the error of a curve is then below two points on each of the shared traces (docs/advice.md). */
#define MS_PACE_ENOUGH 2048
/* Keys: with fewer a curve would be off by more, so they are followed by turns. */
#define MS_PACE_FEW 384
/* References in the sample that are not weighed against others: with fewer a store whose use changes would be
 * followed by turns before it is known (docs/advice.md). */
#define MS_PACE_ALLOWANCE 40960
/* References for each key, from one pause to the next: what is off for the pause is one of them. */
#define MS_PACE_RUN 16
/* Of the time, while the share's keys are followed in the long run. */
#define MS_PACE_PART 0.125

struct ms_pace {
    double share;   /* of the keys, as asked for */
    uint64_t least; /* the same as a threshold */
    /* When the share's keys began to be followed: the number of reads, and of references in the sample. */
    uint64_t run_reads, run_sampled;
    uint64_t paused; /* the number of reads when the pause began */
    uint64_t passed; /* reads in pauses that have ended */
    bool pauses;
};

void ms_pace_init(struct ms_pace *pace, double share);
/* Nothing was in the sample yet, and no reads were. */
void ms_pace_forget(struct ms_pace *pace);
/* See to how many keys are followed, after so many reads of all keys and so many references in the
 * sample. */
void ms_pace_keep(struct ms_pace *pace, struct ms_reuse *reuse, uint64_t reads, uint64_t sampled);
/* How many more reads there are to be until the pause that there is ends; 0 = it does. */
uint64_t ms_pace_left(const struct ms_pace *pace, const struct ms_reuse *reuse, uint64_t reads,
                      uint64_t sampled);
/* Of so many reads, those that were in no pause: what the sample is one of. */
uint64_t ms_pace_reads(const struct ms_pace *pace, uint64_t reads);

/* The threshold below which keys are followed now. */
static inline uint64_t ms_pace_threshold(const struct ms_pace *pace, const struct ms_reuse *reuse)
{
    return pace->pauses ? 0 : reuse->threshold;
}

#endif
