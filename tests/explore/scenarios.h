/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPLORE_SCENARIOS_H
#define EXPLORE_SCENARIOS_H

#include "explore.h"

extern const unsigned explore_scenario_count;
const struct explore_scenario *explore_scenario_at(unsigned number);
/* One of them, by its name. */
const struct explore_scenario *explore_scenario(const char *name);

#endif
