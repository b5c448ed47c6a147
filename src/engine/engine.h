/*
 * A container engine: the few things that we ask of Podman or dockerd, behind a vtable with two
 * implementations: rest.h (Docker-compatible REST v1.41) and memory.h (a twin in memory, with
 * faults on demand, for tests of everything above).
 *
 * All functions block, up to the time limits of the implementation, and may be called from several
 * threads at once. Names and ids are both accepted where a container is named.
 *
 * Errors, the same for every function unless it says more:
 *   ERR_UNAVAILABLE  the engine cannot be reached, or the connection broke; what was asked may or
 *                    may not have happened
 *   ERR_TIMEOUT      no answer in time; it may still happen: look (inspect) before repeating
 *   ERR_NOT_FOUND    no such object
 *   ERR_CONFLICT     not possible in the state that the object is in, or somebody removes it now
 *   ERR_INVALID      the engine refuses the request as malformed or not allowed
 *   ERR_NO_SPACE     the engine's disk is full
 *   ERR_FAILED       anything else; the message ends with the engine's own words, cut
 * Messages are for people; programs look at codes only.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define ENGINE_ID_MAX 64      /* hex digits of an id */
#define ENGINE_NAME_MAX 128   /* names and references that we make */
#define ENGINE_LIST_MAX 10000 /* objects in one list */
#define ENGINE_ARCHIVE_MAX (64UL * 1024 * 1024)

struct engine_info {
    char name[16]; /* "podman" or "docker" */
    char version[64];
    char runtime[64]; /* "runc", "crun" */
    bool rootless;
    bool userns;        /* every container gets one: remapped dockerd, rootless Podman */
    bool userns_option; /* a range can be given per container: rootful Podman */
    bool limits;        /* memory, cpu and pids limits take effect */
    bool seccomp_path;  /* a profile is given as a path on the engine's host, else as its text */
    int cgroup_version;
};

struct engine_image {
    char id[ENGINE_ID_MAX + 16]; /* "sha256:..." */
    struct strv labels;          /* "key=value" */
};
void engine_image_release(struct engine_image *image);
#define cleanup_engine_image cleanup(engine_image_release)

struct engine_network {
    const char *name;
    const char *subnet; /* "10.213.0.16/28" */
    const char *bridge; /* interface name on the host, at most 15 bytes */
    const struct strv *labels;
};

struct engine_tmpfs {
    const char *path;
    const char *options; /* "mode=755,size=16m" */
};

/* What a container is made of. Pointers are borrowed. Everything not listed is the tightest that
 * the engine has: all capabilities dropped, no-new-privileges, restart policy "no", no log kept. */
struct engine_container_spec {
    const char *name;
    const char *image;
    const struct strv *entrypoint; /* argv of PID 1; the image's own is not used */
    const struct strv *env;        /* NULL: the image's */
    const struct strv *labels;
    const char *hostname;
    const char *user; /* "0:0" */
    const char *workdir;
    bool open_stdin;

    const char *network; /* name; NULL: none at all */
    int port;            /* inside, tcp; 0: nothing is published */
    const char *host_ip;
    int host_port;

    const char *volume; /* named volume, exists already */
    const char *volume_path;
    const struct engine_tmpfs *tmpfs;
    size_t n_tmpfs;

    const char *const *cap_add; /* NULL-terminated, without CAP_ */
    bool read_only;
    const char *seccomp;  /* path or text, see engine_info.seccomp_path; NULL: the engine's own */
    uint32_t userns_base; /* first host id of a user namespace; without effect on dockerd */
    uint32_t userns_size; /* 0: none asked for */

    uint64_t memory; /* bytes, swap included */
    int cpus_milli;
    int pids;
    int nofile;
    int nproc;
    uint64_t shm_size; /* bytes, 0: the engine's default */
};

enum engine_state { ENGINE_CREATED, ENGINE_RUNNING, ENGINE_EXITED, ENGINE_OTHER };

/* A container as the engine sees it. */
struct engine_container {
    char id[ENGINE_ID_MAX + 1];
    char *name;
    enum engine_state state;
    int exit_code;
    char *error;        /* the engine's reason for a failed start, "" when there is none */
    struct strv labels; /* "key=value" */

    /* Read back from inspect, zero in lists. */
    char image_id[ENGINE_ID_MAX + 16];
    char ip[64]; /* on its network; "" while it does not run */
    int host_port;
    uint64_t memory;
    int64_t nano_cpus;
    int64_t pids;
    bool read_only;
    bool no_new_privileges;
    bool privileged;
    char *userns_mode;
    struct strv caps; /* what is left of the capabilities, "CAP_CHOWN", sorted */
};
void engine_container_release(struct engine_container *c);
#define cleanup_engine_container cleanup(engine_container_release)

enum engine_kind { ENGINE_CONTAINERS, ENGINE_NETWORKS, ENGINE_VOLUMES };

/* Names with their labels; containers also with their state. */
struct engine_list {
    struct engine_container *v; /* list fields only */
    size_t len;
    size_t cap;
};
void engine_list_release(struct engine_list *list);
#define cleanup_engine_list cleanup(engine_list_release)

struct engine_exec {
    const struct strv *argv;
    const char *user; /* NULL: the container's */
    const struct strv *env;
    bool want_stdin;
};

struct engine_ops {
    /* Answers at all. */
    int (*ping)(void *self, struct err *err);

    /* What it is; asked anew at each call. */
    int (*info)(void *self, struct engine_info *out, struct err *err);

    /* ERR_NOT_FOUND: no such image here; nothing is ever pulled. */
    int (*image_inspect)(void *self, const char *ref, struct engine_image *out, struct err *err);

    /* ERR_EXISTS: the name is in use. ERR_CONFLICT: the subnet overlaps a network that is there. */
    int (*network_create)(void *self, const struct engine_network *network, struct err *err);
    /* Absent is success. ERR_CONFLICT: something is still connected. */
    int (*network_remove)(void *self, const char *name, struct err *err);

    /* An existing one is success, whatever its labels. */
    int (*volume_create)(void *self, const char *name, const struct strv *labels, struct err *err);
    /* Absent is success. ERR_CONFLICT: in use. */
    int (*volume_remove)(void *self, const char *name, struct err *err);

    /* It gets the image's labels too; its own win. ERR_EXISTS: the name is in use. ERR_NOT_FOUND:
     * image (or network) missing. */
    int (*container_create)(void *self, const struct engine_container_spec *spec,
                            char id[ENGINE_ID_MAX + 1], struct err *err);
    int (*container_inspect)(void *self, const char *name, struct engine_container *out,
                             struct err *err);
    /* Running already is success. ERR_EXISTS: the published port is taken. */
    int (*container_start)(void *self, const char *name, struct err *err);
    /* TERM, then KILL after grace_s. Stopped already is success. */
    int (*container_stop)(void *self, const char *name, int grace_s, struct err *err);
    /* ERR_CONFLICT: it does not run. */
    int (*container_kill)(void *self, const char *name, const char *signal, struct err *err);
    /* Kills when it runs. Absent is success. Named volumes stay. */
    int (*container_remove)(void *self, const char *name, struct err *err);

    /* Unpacks a tar at a directory that exists in the container, running or not. With a read-only
     * root the directory must be a volume. Owners, modes and links are kept as written. Never use
     * it for a directory that somebody inside may write. */
    int (*archive_put)(void *self, const char *name, const char *dir, const void *tar, size_t n,
                       struct err *err);

    /* stdin and stdout of PID 1, before or after start: a non-blocking socket, raw towards the
     * container, multiplexed (mux.h) from it. Podman prepares the container for it, so that errors
     * of container_start can come here already; and there PID 1 reads end of file for good once an
     * attachment ends. */
    int (*attach)(void *self, const char *name, int *fd, struct err *err);

    /* Starts a command in a running container; *fd as from attach, its end is the command's end.
     * Shutting down the writing half gives the command end of file. The command outlives a closed
     * connection. id is for exec_status. ERR_CONFLICT: the container does not run. */
    int (*exec)(void *self, const char *name, const struct engine_exec *exec, int *fd,
                char id[ENGINE_ID_MAX + 1], struct err *err);
    /* ERR_CONFLICT: it runs still. A command that could not be started has 126 or 127. */
    int (*exec_status)(void *self, const char *id, int *exit_code, struct err *err);

    /* Everything with that label ("key=value"), in any state. */
    int (*list)(void *self, enum engine_kind kind, const char *label, struct engine_list *out,
                struct err *err);

    void (*free)(void *self);
};

struct engine {
    const struct engine_ops *ops;
    void *self;
};

void engine_free(struct engine *engine); /* NULL members are allowed */

/* Value of a label in a "key=value" list, or NULL. */
const char *engine_label(const struct strv *labels, const char *key);

#endif
