/* SPDX-License-Identifier: Apache-2.0 */
/* Read sections and grace periods as the explorer sees them; stands before the library's own
 * header of this name. See explore/model.h. */
#ifndef MS_PLATFORM_RCU_H
#define MS_PLATFORM_RCU_H

void ms_rcu_read_lock(void);
void ms_rcu_read_unlock(void);
void ms_rcu_synchronize(void);

#endif
