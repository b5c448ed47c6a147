/*
 * An engine in memory, behaving as engine.h says: containers that never run anything, but have a
 * life cycle, labels, ports that collide, volumes with the tars put into them. Faults are put in by
 * tests: the next calls of a verb fail, before or after they took effect.
 */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include "engine/engine.h"

struct engine_memory;

int engine_memory_new(struct engine *out, struct engine_memory **control, struct err *err);

/* The next `count` calls of verb ("container_start", a member of engine_ops) answer code. With
 * after set they take effect first, as when an answer is lost. */
void engine_memory_fault(struct engine_memory *m, const char *verb, int code, int count,
                         bool after);

/* What info answers from now on. */
void engine_memory_set_info(struct engine_memory *m, const struct engine_info *info);
/* Makes an image known; labels may be NULL. */
void engine_memory_add_image(struct engine_memory *m, const char *ref, const struct strv *labels);
/* Engines ignore options silently: what inspect reads back of containers created from now on. */
void engine_memory_ignore_limits(struct engine_memory *m, bool on);
/* The port is taken by somebody outside, or free again. */
void engine_memory_take_port(struct engine_memory *m, int port, bool taken);
/* PID 1 ends by itself. */
void engine_memory_exit(struct engine_memory *m, const char *name, int exit_code);
/* The other end of the newest attach or exec of a container, owned by the caller; -1: none. */
int engine_memory_peer(struct engine_memory *m, const char *name);
/* The tar last put into a volume, borrowed until the next call; NULL: none. */
const struct str *engine_memory_archive(struct engine_memory *m, const char *volume);
/* Number of objects of a kind. */
size_t engine_memory_count(struct engine_memory *m, enum engine_kind kind);
/* Calls of a verb so far. */
int engine_memory_calls(struct engine_memory *m, const char *verb);

#endif
