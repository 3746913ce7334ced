/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/wait.h"

#include <unistd.h>

__thread void (*ms_before_wait)(void);

void ms_wait_us(uint32_t us)
{
    ms_wait_begins();
    usleep(us);
}
