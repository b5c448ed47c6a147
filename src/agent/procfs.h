/* The parts of /proc that presence needs. Parser pure. */
#ifndef AGENT_PROCFS_H
#define AGENT_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct proc_stat {
    char comm[64];
    char state;
    pid_t ppid;
    int tty; /* minor number of a /dev/pts device, -1 when there is none */
};

/* Text of /proc/<pid>/stat (proc(5)); the command's name may hold anything, also ")". */
int proc_stat_parse(const char *text, size_t len, struct proc_stat *out, struct err *err);
int proc_stat_read(pid_t pid, struct proc_stat *out, struct err *err);

/* The sshd process that serves one connection: the topmost sshd above pid that is not `listener`;
 * 0 when there is none. */
pid_t proc_connection_of(pid_t pid, pid_t listener);

/* Calls fn for every process. */
void proc_each(void (*fn)(pid_t pid, const struct proc_stat *st, void *payload), void *payload);

#endif
