/*
 * What a process may still do: seccomp policies, privilege drop, Landlock, and reading back what
 * is in force.
 *
 * The policies are the allow lists in policy/ (own lists; the names of system calls as libseccomp
 * knows them, so one list serves x86_64 and aarch64: a call that an architecture does not have is
 * left out there). They are compiled in; nothing is read at run time. A filter can only be
 * tightened: filters stack, the strictest answer counts.
 *
 * Whoever installs a filter has no_new_privs set by these functions first.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

enum sandbox_policy {
    SANDBOX_SESSION,       /* everything inside a session: sshd, shells, builds, the agent itself */
    SANDBOX_API,           /* steadystated's api process: sockets INET and INET6 only, no exec */
    SANDBOX_KEEPER,        /* keeper that talks to an engine: as above with AF_UNIX */
    SANDBOX_GIT_TRANSPORT, /* git clone, fetch, push with their helpers */
    SANDBOX_PACK_IMPORT,   /* git index-pack over a stranger's bytes: no sockets, no signals */
};

/* "session", "api", "keeper", "git-transport", "pack-import" and back (ERR_NOT_FOUND). */
const char *sandbox_policy_name(enum sandbox_policy policy);
int sandbox_policy_find(const char *name, enum sandbox_policy *out, struct err *err);

/* A policy compiled for this machine. Made before fork; sandbox_filter_install allocates nothing
 * and is async-signal-safe, so it serves as proc_spec.before_exec. */
struct sandbox_filter;
int sandbox_filter_new(enum sandbox_policy policy, struct sandbox_filter **out, struct err *err);
void sandbox_filter_free(struct sandbox_filter *filter); /* NULL allowed */
void sandbox_filter_freep(struct sandbox_filter **filter);
#define cleanup_sandbox_filter cleanup(sandbox_filter_freep)
/* Sets no_new_privs and installs it for the calling thread; 0, or -1 with errno. */
int sandbox_filter_install(const struct sandbox_filter *filter);

/*
 * For an sshd of an ordinary user where devpts was mounted without gid=: it tries to give a new
 * terminal to the group `tty`, may not, and ends the connection, but goes on when it is told that
 * the file system is read-only. The filter says so for changes of owner to that group, which that
 * user may not make anyway; everything else is let through.
 */
int sandbox_filter_new_tty(gid_t tty, struct sandbox_filter **out, struct err *err);

/* Compiles and installs for all threads of this process. */
int sandbox_load(enum sandbox_policy policy, struct err *err);

/* The policy as the engines' JSON (Docker's and Podman's common form), appended: one line. */
void sandbox_policy_json(enum sandbox_policy policy, struct str *out);

/* --- privileges ------------------------------------------------------------------------------ */

/* Becomes uid and gid for good: no supplementary groups, real, effective and saved ids, no
 * capability left in any set that exec could raise, no_new_privs; then checks that nothing of it
 * can be taken back. uid 0 is refused. Async-signal-safe. 0, or -1 with errno; after a failure the
 * process must end. */
int sandbox_become(uid_t uid, gid_t gid);

/* Gives up every capability of the process and what exec could bring back, keeping its uid.
 * Async-signal-safe. */
int sandbox_drop_capabilities(void);

/* Child helper in one step, for proc_spec.before_exec: payload is a struct sandbox_child. */
struct sandbox_child {
    uid_t uid; /* (uid_t)-1: keep the ids, drop capabilities only */
    gid_t gid;
    const struct sandbox_filter *filter; /* NULL: none beyond what is inherited */
};
int sandbox_child_enter(void *payload);

/* Sends signo to pid (negative: a process group) from a child that has become uid and gid, which
 * needs no CAP_KILL. 0, or -1 with errno (ESRCH: nobody there). */
int sandbox_kill_as(uid_t uid, gid_t gid, pid_t pid, int signo);

/* No core dump, no ptrace by a process of the same uid, /proc/self owned by root. */
int sandbox_hide(struct err *err);

/* --- whole processes of the server ----------------------------------------------------------- */

/* The api process, called after it has changed its uid (if it can) and before it starts threads:
 * hidden, capabilities dropped, Landlock where the kernel has it, policy SANDBOX_API.
 * rw: directories (with everything below) or files that it may write; the rest of the file system
 * is readable only where ro says so. Paths that do not exist are left out. What the C library and
 * OpenSSL need (/etc, /usr, /lib..., /dev/urandom, /proc/self) is always readable. */
int sandbox_enter_api(char *const *rw, size_t n_rw, char *const *ro, size_t n_ro, struct err *err);

/* The keeper: hidden; with spawns set (local provider: it starts agents, which need what a session
 * needs) policy SANDBOX_SESSION, else SANDBOX_KEEPER, which cannot exec. Uid and capabilities are
 * kept: the engine's socket and the state directory may belong to different users. Call before
 * threads are started. */
int sandbox_enter_keeper(bool spawns, struct err *err);

/* --- Landlock -------------------------------------------------------------------------------- */

/* ABI of the kernel's Landlock, 0: it has none. */
int sandbox_landlock_abi(void);
/* Restricts this thread and what it starts from now on. ERR_UNSUPPORTED where there is none. */
int sandbox_landlock(char *const *rw, size_t n_rw, char *const *ro, size_t n_ro, struct err *err);

/* --- what is in force ------------------------------------------------------------------------- */

struct sandbox_status {
    bool no_new_privs;
    int seccomp; /* 0 none, 1 strict, 2 filter */
    int seccomp_filters;
    uint64_t cap_bounding;
    uint64_t cap_effective;
    uint64_t cap_permitted;
    uint64_t cap_inheritable;
    uint64_t cap_ambient;
    uint32_t uid[4]; /* real, effective, saved, file system */
    uint32_t gid[4];
};

/* Text of a /proc/<pid>/status. ERR_INVALID when one of the lines is missing or malformed. */
int sandbox_status_parse(const char *text, size_t len, struct sandbox_status *out, struct err *err);
/* pid 0: this process. */
int sandbox_status_read(pid_t pid, struct sandbox_status *out, struct err *err);

#endif
