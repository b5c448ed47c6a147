#include "watch/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/frame.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/path.h"
#include "git/repo.h"
#include "sync/agent_client.h"
#include "watch/radar.h"

#define READ_PIECE (64 * 1024)

struct log_file {
    const char *type; /* of its lines in the stream */
    const char *path;
    int fd;
    int wd;
    struct str rest; /* a line that is not complete yet */
    bool passing;    /* the line at hand is too long, or was begun before the first read */
};

struct other {
    char *login;
    char *provider;
    struct unsynced unsynced;
};

struct feed {
    const struct sync_place *place;
    struct loop *loop;
    int out;
    int agent;
    struct str in; /* from the agent */
    int inotify;
    struct log_file logs[2];
    char *provider;
    struct other *people; /* the person included */
    size_t n_people, cap_people;
    struct repo *repo;
    struct loop_watch *ready_timer;
    bool have_people, ready;
    struct str radar; /* as told last */
    int rc;
    struct err *err;
};

/* --- lines out ---------------------------------------------------------------------------------
 */

static void stop(struct feed *f, int rc)
{
    if (f->rc == 0)
        f->rc = rc;
    loop_stop(f->loop);
}

static void put_text(struct feed *f, struct str *line)
{
    str_addc(line, '\n');
    /* The reader has gone: an end like any other. */
    if (fd_write_full(f->out, line->p, line->len, NULL) < 0)
        loop_stop(f->loop);
}

/* Takes obj. */
static void put(struct feed *f, const char *type, struct json_object *obj)
{
    cleanup_json struct json_object *line = obj ? obj : json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    json_add_str(line, "type", type);
    json_print(line, &text);
    put_text(f, &text);
}

static void tell_ready(void *payload)
{
    struct feed *f = payload;
    f->ready_timer = NULL;
    if (!f->ready)
        put(f, "ready", NULL);
    f->ready = true;
}

/* --- logs --------------------------------------------------------------------------------------
 */

static void take_line(struct feed *f, struct log_file *log, const char *line, size_t n)
{
    struct json_object *o = NULL;
    if (json_parse(line, n, &o, NULL) == 0 && json_object_is_type(o, json_type_object))
        put(f, log->type, o);
    else
        json_object_put(o);
}

static void take_text(struct feed *f, struct log_file *log, const char *p, size_t n)
{
    while (n > 0) {
        const char *end = memchr(p, '\n', n);
        size_t len = end ? (size_t)(end - p) : n;
        if (!log->passing)
            str_add(&log->rest, p, len);
        if (log->rest.len > FEED_LOG_LINE_MAX) {
            log->passing = true;
            str_clear(&log->rest);
        }
        if (!end)
            return;
        if (!log->passing)
            take_line(f, log, log->rest.p, log->rest.len);
        log->passing = false;
        str_clear(&log->rest);
        p += len + 1;
        n -= len + 1;
    }
}

static void read_log(struct feed *f, struct log_file *log)
{
    cleanup_free char *buf = xmalloc(READ_PIECE);
    ssize_t n;
    while ((n = read(log->fd, buf, READ_PIECE)) > 0)
        take_text(f, log, buf, (size_t)n);
}

static void open_log(struct feed *f, struct log_file *log)
{
    struct stat st;
    log->fd = open(log->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (log->fd < 0)
        return;
    if (fstat(log->fd, &st) == 0 && st.st_size > (off_t)FEED_TAIL) {
        (void)lseek(log->fd, st.st_size - (off_t)FEED_TAIL, SEEK_SET);
        log->passing = true;
    }
    /* Watched before it is read, so that nothing is missed. */
    log->wd = inotify_add_watch(f->inotify, log->path, IN_MODIFY);
    read_log(f, log);
}

/* A log is made with its first line. */
static void open_new_logs(struct feed *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->logs); i++)
        if (f->logs[i].fd < 0)
            open_log(f, &f->logs[i]);
}

static void on_inotify(int fd, uint32_t events, void *payload)
{
    struct feed *f = payload;
    char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    (void)events;
    while (read(fd, buf, sizeof buf) > 0)
        continue;
    open_new_logs(f);
    for (size_t i = 0; i < ARRAY_LEN(f->logs); i++)
        if (f->logs[i].fd >= 0)
            read_log(f, &f->logs[i]);
}

/* --- radar -------------------------------------------------------------------------------------
 */

static bool is_self(const struct feed *f, const struct other *o)
{
    return strcmp(o->login, f->place->login) == 0 && strcmp(o->provider, f->provider) == 0;
}

struct comparing {
    struct json_object *places;
    const struct other *other;
};

static void add_place(const char *path, const struct line_ranges *lines, void *payload)
{
    const struct comparing *c = payload;
    cleanup_str struct str text = STR_INIT;
    struct json_object *one = json_object_new_object();
    line_ranges_format(lines, &text);
    json_add_str(one, "file", path);
    json_add_str(one, "lines", text.p);
    json_add_str(one, "login", c->other->login);
    json_add_str(one, "provider", c->other->provider);
    json_object_array_add(c->places, one);
}

static void tell_radar(struct feed *f)
{
    struct json_object *places = json_object_new_array();
    const struct other *own = NULL;
    for (size_t i = 0; i < f->n_people; i++)
        if (is_self(f, &f->people[i]))
            own = &f->people[i];
    for (size_t i = 0; own && i < f->n_people; i++) {
        struct comparing c = {places, &f->people[i]};
        if (&f->people[i] != own)
            radar_compare(f->repo, &own->unsynced, &f->people[i].unsynced, add_place, &c);
    }
    cleanup_str struct str text = STR_INIT;
    json_print(places, &text);
    if (strcmp(text.p, f->radar.p) == 0) {
        json_object_put(places);
        return;
    }
    str_clear(&f->radar);
    str_add(&f->radar, text.p, text.len);
    struct json_object *o = json_object_new_object();
    json_add(o, "places", places);
    put(f, "radar", o);
}

static void tell_own(struct feed *f, const struct unsynced *u)
{
    struct json_object *o = json_object_new_object();
    unsynced_to_json(u, o);
    put(f, "unsynced", o);
    if (f->have_people)
        tell_ready(f);
}

/* --- the agent's events ------------------------------------------------------------------------
 */

static struct other *person_of(struct feed *f, const char *login, const char *provider)
{
    for (size_t i = 0; i < f->n_people; i++)
        if (strcmp(f->people[i].login, login) == 0 && strcmp(f->people[i].provider, provider) == 0)
            return &f->people[i];
    if (f->n_people >= FEED_PEOPLE_MAX)
        return NULL;
    VEC_GROW(f->people, f->n_people, f->cap_people);
    f->people[f->n_people] = (struct other){xstrdup(login), xstrdup(provider), UNSYNCED_INIT};
    return &f->people[f->n_people++];
}

static void take_unsynced(struct feed *f, struct json_object *event)
{
    const char *login, *provider;
    struct unsynced u;
    if (json_get_str(event, "login", 256, &login, NULL) < 0 ||
        json_get_str(event, "provider", 64, &provider, NULL) < 0 ||
        unsynced_from_json(event, &u, NULL) < 0)
        return;
    struct other *o = person_of(f, login, provider);
    if (!o) {
        unsynced_release(&u);
        return;
    }
    unsynced_release(&o->unsynced);
    o->unsynced = u;
    if (is_self(f, o))
        tell_own(f, &o->unsynced);
    tell_radar(f);
}

static void take_frame(struct feed *f, const struct frame *frame)
{
    cleanup_json struct json_object *o = NULL;
    const char *event = "";
    struct err err = ERR_INIT;
    if (frame->kind != 'J' || json_parse(frame->payload, frame->len, &o, NULL) < 0)
        return;
    if (frame->id != 0) {
        int rc = frame_reply_check(o, &err);
        if (rc < 0)
            stop(f, err_set(f->err, rc, "%s", err.msg));
        return;
    }
    (void)json_opt_str(o, "event", 32, &event, NULL);
    if (strcmp(event, "people") == 0) {
        f->have_people = true;
        json_object_object_del(o, "event");
        put(f, "people", json_object_get(o));
    } else if (strcmp(event, "unsynced") == 0) {
        take_unsynced(f, o);
    }
}

static void on_agent(int fd, uint32_t events, void *payload)
{
    struct feed *f = payload;
    (void)events;
    ssize_t n = read(fd, str_reserve(&f->in, READ_PIECE), READ_PIECE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        stop(f, err_set(f->err, ERR_UNAVAILABLE, "the session's agent has gone"));
        return;
    }
    str_grew(&f->in, (size_t)n);
    for (;;) {
        struct frame frame;
        long used = frame_decode(f->in.p, f->in.len, &frame, NULL);
        if (used < 0)
            stop(f, err_set(f->err, ERR_INVALID, "the agent's answer is malformed"));
        if (used <= 0)
            return;
        take_frame(f, &frame);
        str_consume(&f->in, (size_t)used);
    }
}

/* --- start and end -----------------------------------------------------------------------------
 */

static int tell_session(struct feed *f, struct err *err)
{
    cleanup_agent struct agent_client *client = NULL;
    cleanup_agent_identity struct agent_identity me = {0};
    cleanup_json struct json_object *info = NULL;
    int rc = agent_connect(f->place->socket, f->place->login, f->place->provider, &client, err);
    if (rc == 0)
        rc = agent_whoami(client, &me, err);
    if (rc == 0)
        rc = agent_info(client, &info, err);
    if (rc < 0)
        return rc;
    f->provider = xstrdup(me.provider);
    json_object_object_del(info, "ok");
    json_add_str(info, "login", me.login);
    json_add_str(info, "provider", me.provider);
    put(f, "session", json_object_get(info));
    return 0;
}

static int subscribe(struct feed *f, struct err *err)
{
    cleanup_json struct json_object *request = json_object_new_object();
    f->agent = fd_unix_connect(f->place->socket, err);
    if (f->agent < 0)
        return f->agent;
    json_add_str(request, "verb", "watch");
    json_add_str(request, "login", f->place->login);
    json_add_str(request, "provider", f->place->provider);
    int rc = frame_write_json(f->agent, 1, request, err);
    if (rc == 0)
        (void)fd_set_nonblock(f->agent, true);
    return rc;
}

static void on_reader_gone(int fd, uint32_t events, void *payload)
{
    (void)fd;
    (void)events;
    loop_stop(((struct feed *)payload)->loop);
}

static void on_input(int fd, uint32_t events, void *payload)
{
    char buf[256];
    if (!(events & (EPOLLHUP | EPOLLERR)) && read(fd, buf, sizeof buf) > 0)
        return;
    loop_stop(((struct feed *)payload)->loop);
}

static void on_signal(int signo, void *payload)
{
    (void)signo;
    loop_stop(((struct feed *)payload)->loop);
}

static bool is_stream(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static int set_up(struct feed *f, int in, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    cleanup_free char *git_dir = path_join(f->place->worktree, ".git");
    int rc = loop_new(&f->loop, err);
    if (rc == 0)
        rc = loop_add_signals(f->loop, signals, ARRAY_LEN(signals), on_signal, f, err);
    if (rc < 0)
        return rc;
    f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (f->inotify < 0)
        return err_errno(err, "inotify");
    (void)repo_open(git_dir, &f->repo, NULL);
    rc = tell_session(f, err);
    if (rc == 0)
        rc = subscribe(f, err);
    if (rc < 0)
        return rc;
    cleanup_free char *root = xstrdup(f->place->socket);
    *strrchr(root, '/') = '\0';
    (void)inotify_add_watch(f->inotify, root, IN_CREATE | IN_ONLYDIR);
    open_new_logs(f);
    (void)loop_add_fd(f->loop, f->inotify, EPOLLIN, on_inotify, f);
    (void)loop_add_fd(f->loop, f->agent, EPOLLIN, on_agent, f);
    if (is_stream(f->out))
        (void)loop_add_fd(f->loop, f->out, 0, on_reader_gone, f);
    if (is_stream(in))
        (void)loop_add_fd(f->loop, in, EPOLLIN, on_input, f);
    f->ready_timer = loop_add_timer(f->loop, FEED_READY_MS, false, tell_ready, f);
    return 0;
}

static void release(struct feed *f)
{
    loop_free(f->loop);
    int fds[] = {f->inotify, f->agent, f->logs[0].fd, f->logs[1].fd};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (size_t i = 0; i < f->n_people; i++) {
        free(f->people[i].login);
        free(f->people[i].provider);
        unsynced_release(&f->people[i].unsynced);
    }
    free(f->people);
    free(f->provider);
    str_release(&f->in);
    str_release(&f->radar);
    str_release(&f->logs[0].rest);
    str_release(&f->logs[1].rest);
    repo_free(f->repo);
}

int feed_run(const struct sync_place *place, const char *logs[2], int in, int out, struct err *err)
{
    struct feed f = {.place = place,
                     .out = out,
                     .agent = -1,
                     .in = STR_INIT,
                     .inotify = -1,
                     .logs = {{"sync", logs[0], -1, -1, STR_INIT, false},
                              {"activity", logs[1], -1, -1, STR_INIT, false}},
                     .radar = STR_INIT,
                     .err = err};
    int rc = set_up(&f, in, err);
    if (rc == 0)
        rc = loop_run(f.loop, err);
    rc = rc < 0 ? rc : f.rc;
    release(&f);
    return rc;
}
