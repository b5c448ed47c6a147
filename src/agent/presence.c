#include "agent/presence.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/procfs.h"
#include "base/mem.h"

struct entry {
    struct presence *owner;
    struct entry *next;
    struct loop_watch *watch;
    int pidfd;
    pid_t pid;
    pid_t connection;
    int tty;
    bool passive;
    int64_t since;
    char *provider;
    char *login;
};

struct presence {
    struct loop *loop;
    const struct presence_ops *ops;
    void *payload;
    struct entry *first;
    int n;
};

struct presence *presence_new(struct loop *loop, const struct presence_ops *ops, void *payload)
{
    struct presence *p = xcalloc(1, sizeof *p);
    *p = (struct presence){.loop = loop, .ops = ops, .payload = payload};
    return p;
}

static void entry_free(struct entry *e)
{
    loop_remove(e->watch);
    if (e->pidfd >= 0)
        close(e->pidfd);
    free(e->provider);
    free(e->login);
    free(e);
}

void presence_free(struct presence *p)
{
    if (!p)
        return;
    for (struct entry *e = p->first, *next; e; e = next) {
        next = e->next;
        entry_free(e);
    }
    free(p);
}

static bool is_person(const struct entry *e, const char *provider, const char *login)
{
    return strcmp(e->login, login) == 0 && strcmp(e->provider, provider) == 0;
}

static void on_exit_of(int fd, uint32_t events, void *payload)
{
    struct entry *gone = payload;
    struct presence *p = gone->owner;
    (void)fd;
    (void)events;
    for (struct entry **at = &p->first; *at; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            break;
        }
    }
    p->n--;
    if (!presence_of(p, gone->provider, gone->login, NULL))
        p->ops->on_change(gone->provider, gone->login, false, p->payload);
    entry_free(gone);
}

int presence_attach(struct presence *p, pid_t pid, pid_t connection, const char *provider,
                    const char *login, int64_t now, struct err *err)
{
    if (p->n >= PRESENCE_MAX)
        return err_set(err, ERR_LIMIT, "too many connections");
    cleanup_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return err_errno(err, "watch process");
    struct proc_stat st;
    int rc = proc_stat_read(pid, &st, err);
    if (rc < 0)
        return rc;
    bool was_there = presence_of(p, provider, login, NULL);
    struct entry *e = xcalloc(1, sizeof *e);
    *e = (struct entry){.owner = p,
                        .next = p->first,
                        .pidfd = steal_fd(&pidfd),
                        .pid = pid,
                        .connection = connection,
                        .tty = st.tty,
                        .since = now,
                        .provider = xstrdup(provider),
                        .login = xstrdup(login)};
    e->watch = loop_add_fd(p->loop, e->pidfd, EPOLLIN, on_exit_of, e);
    p->first = e;
    p->n++;
    if (!was_there)
        p->ops->on_change(provider, login, true, p->payload);
    return 0;
}

bool presence_of(const struct presence *p, const char *provider, const char *login, int64_t *since)
{
    bool found = false;
    for (const struct entry *e = p->first; e; e = e->next) {
        if (!is_person(e, provider, login))
            continue;
        if (since && (!found || e->since < *since))
            *since = e->since;
        found = true;
    }
    return found;
}

int presence_people(const struct presence *p)
{
    int n = 0;
    for (const struct entry *e = p->first; e; e = e->next) {
        bool first = true;
        for (const struct entry *f = p->first; f != e; f = f->next)
            first = first && !is_person(f, e->provider, e->login);
        n += first;
    }
    return n;
}

/* A terminal's device is touched when something is typed (in steps of 8 seconds). */
static int64_t terminal_activity(const struct entry *e)
{
    char path[64];
    struct stat st;
    (void)snprintf(path, sizeof path, "/dev/pts/%d", e->tty);
    if (stat(path, &st) != 0)
        return e->since;
    return st.st_atime > e->since ? st.st_atime : e->since;
}

int64_t presence_last_activity(const struct presence *p, int64_t now)
{
    int64_t last = 0;
    for (const struct entry *e = p->first; e; e = e->next) {
        int64_t at = e->tty >= 0 ? terminal_activity(e) : e->passive ? e->since : now;
        if (at > last)
            last = at;
    }
    return last > now ? now : last;
}

int64_t presence_typed_at(const struct presence *p, const char *provider, const char *login)
{
    int64_t last = 0;
    for (const struct entry *e = p->first; e; e = e->next) {
        int64_t at = e->tty >= 0 && is_person(e, provider, login) ? terminal_activity(e) : 0;
        if (at > last)
            last = at;
    }
    return last;
}

void presence_set_passive(struct presence *p, pid_t pid)
{
    for (struct entry *e = p->first; e; e = e->next)
        if (e->pid == pid)
            e->passive = true;
}

void presence_close_connections(struct presence *p, const char *provider, const char *login)
{
    for (const struct entry *e = p->first; e; e = e->next)
        if (is_person(e, provider, login) && e->connection > 1)
            (void)kill(e->connection, SIGTERM);
}

void presence_each(const struct presence *p, const char *provider, const char *login,
                   void (*fn)(pid_t pid, void *payload), void *payload)
{
    for (const struct entry *e = p->first; e; e = e->next)
        if (is_person(e, provider, login))
            fn(e->pid, payload);
}

bool presence_person_of(const struct presence *p, pid_t pid, const char **provider,
                        const char **login)
{
    for (const struct entry *e = p->first; e; e = e->next) {
        if (e->pid != pid)
            continue;
        *provider = e->provider;
        *login = e->login;
        return true;
    }
    return false;
}

bool presence_has_connection(const struct presence *p, pid_t connection)
{
    for (const struct entry *e = p->first; e; e = e->next)
        if (e->connection == connection)
            return true;
    return false;
}
