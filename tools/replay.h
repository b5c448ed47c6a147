/* Replaying an editing trace with figures, for `yupdate replay` and the benchmark. */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H

#include "trace.h"

/* Prints one line for each kind of work, or one JSON object. *same: the end content came out. */
int replay(const struct trace *t, const char *name, bool json, bool *same, struct err *err);

#endif
