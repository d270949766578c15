/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/counters.h"

#include <stddef.h>

const struct aro_counter_info aro_counter_infos[ARO_COUNTERS] = {
#define ARO_COUNTER(name, sentence) {#name, sentence, offsetof(struct aro_counters, name), 'c'},
#define ARO_DROP(name, layer, sentence)
#include "dataplane/counters.def"
#undef ARO_COUNTER
#undef ARO_DROP
#define ARO_COUNTER(name, sentence)
#define ARO_DROP(name, layer, sentence)                                                            \
    {"drop_" #name, sentence, offsetof(struct aro_counters, drop) + 8 * ARO_DROP_##name, #layer[0]},
#include "dataplane/counters.def"
#undef ARO_COUNTER
#undef ARO_DROP
};
