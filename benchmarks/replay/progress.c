/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/progress.h"

#include "common/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 40, REDRAW_NS = 100000000 };

void progress_start(struct progress *progress, bool quiet, const char *label)
{
    *progress =
        (struct progress){.enabled = !quiet && isatty(STDERR_FILENO), .started_ns = clock_now_ns()};
    snprintf(progress->label, sizeof progress->label, "%s", label);
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    char bar[BAR_WIDTH + 1];
    uint64_t now;
    double share, seconds;

    if (!progress->enabled)
        return;
    now = clock_now_ns();
    if (now - progress->last_ns < REDRAW_NS)
        return;
    progress->last_ns = now;
    progress->drawn = true;
    if (total == 0) {
        fprintf(stderr, "\r%-24s %" PRIu64 " \033[K", progress->label, done);
        return;
    }
    share = done < total ? (double)done / (double)total : 1.0;
    seconds =
        share > 0.01 ? (double)(now - progress->started_ns) * 1e-9 * (1.0 - share) / share : 0.0;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)(share * BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r%-24s [%s] %3.0f %%, %.0f s left\033[K", progress->label, bar, share * 100.0,
            seconds);
}

void progress_finish(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
