/* SPDX-License-Identifier: Apache-2.0 */
/* What happened in a run, for a person. */
#include "model.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

extern const char __executable_start[];

/* "function file:line", by addr2line where there is one; else the offset in the program. */
const char *report_place(const void *site)
{
    static char place[256];
    char command[128], file[192] = "";
    const ptrdiff_t offset = (const char *)site - __executable_start - 1;

    snprintf(place, sizeof place, "+0x%tx", offset);
    snprintf(command, sizeof command, "addr2line -f -s -e /proc/%d/exe 0x%tx 2>/dev/null",
             (int)getpid(), offset);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL)
        return place;
    char function[64] = "";
    if (fscanf(pipe, "%63s %191s", function, file) == 2)
        snprintf(place, sizeof place, "%s (%s)", function, file);
    pclose(pipe);
    return place;
}

static const char *const kind_names[] = {
    [STEP_READ] = "reads",
    [STEP_WRITE] = "writes",
    [STEP_LOCK] = "locks",
    [STEP_TRY_LOCK] = "tries to lock",
    [STEP_UNLOCK] = "unlocks",
    [STEP_ENTER] = "enters a read section",
    [STEP_GRACE_BEGINS] = "begins a grace period",
    [STEP_GRACE_ENDS] = "ends a grace period",
    [STEP_CALL] = "calls",
    [STEP_RETURN] = "returns",
};

/* Only the last steps: what matters is what came shortly before. */
#define SHOWN 60

void report_steps(FILE *file)
{
    unsigned thread;
    struct step step;
    int count = 0;

    while (report_next_step(count, &thread, &step) >= 0)
        count++;
    if (count > SHOWN)
        fprintf(file, "  ... %d steps\n", count - SHOWN);
    for (int i = count > SHOWN ? count - SHOWN : 0; i < count; i++) {
        report_next_step(i, &thread, &step);
        fprintf(file, "  thread %u %s", thread, kind_names[step.kind]);
        if (step.kind != STEP_CALL && step.kind != STEP_RETURN)
            fprintf(file, " at %s", report_place(step.site));
        fprintf(file, "\n");
    }
}
