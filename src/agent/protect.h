/*
 * What protects a container's session, read from inside. Engines take options silently that they
 * do not know or cannot do, so the agent looks before it serves. The parsers are pure.
 */
#ifndef AGENT_PROTECT_H
#define AGENT_PROTECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/spec.h"

/* CHOWN, SETGID, SETUID, SYS_CHROOT: what the agent, sshd and the wrapper need, and the most that
 * they may have. */
#define PROTECT_CAPABILITIES UINT64_C(0x400c1)

/* A cgroup limit: "max", "-1" or the kernel's "no limit" numbers give UINT64_MAX. */
int protect_parse_limit(const char *text, size_t len, uint64_t *out, struct err *err);
/* "<quota> <period>" of cpu.max in thousandths of a processor. */
int protect_parse_cpu_max(const char *text, size_t len, uint64_t *milli, struct err *err);
/* cfs_quota_us and cfs_period_us likewise. */
uint64_t protect_cpu_milli(int64_t quota, uint64_t period);
/* True when the text of a uid_map maps 0 to something else than 0: a user namespace. */
bool protect_uid_map_is_private(const char *text, size_t len);

/* Before anything is served: capabilities, no_new_privs, read-only root, user namespace if the
 * spec asks for one, limits of memory, processors and processes. ERR_DENIED names what is
 * missing. */
int protect_check(const struct session_spec *spec, struct err *err);
/* After the agent has loaded the session's policy. */
int protect_check_seccomp(struct err *err);

#endif
