#include "agent/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/publish.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "git/pack.h"
#include "git/repo.h"

#define PIECE (64 * 1024)

struct home {
    char *name;
    char *author_name, *author_email;
    struct strv env;
    struct sandbox_child child;
};

struct archive {
    struct agent *agent; /* loop's thread only */
    archive_fn done;
    void *payload;

    bool local;
    char *canonical, *branch_ref, *scratch, *program;
    struct sandbox_child *import_child;
    struct home *homes;
    size_t n_homes;

    int fd;
    struct err err;
};

/* --- one home, on the job's thread ---------------------------------------------------------------
 */

struct pipes {
    int pack, id, pack_in, id_in; /* read ends; write ends */
};

static void pipes_close(struct pipes *p)
{
    cleanup_closep(&p->pack);
    cleanup_closep(&p->id);
    cleanup_closep(&p->pack_in);
    cleanup_closep(&p->id_in);
}

static int pipes_open(struct pipes *p, struct err *err)
{
    int a[2], b[2];
    if (pipe2(a, O_CLOEXEC) != 0)
        return err_errno(err, "pipe");
    p->pack = a[0];
    p->pack_in = a[1];
    if (pipe2(b, O_CLOEXEC) != 0)
        return err_errno(err, "pipe");
    p->id = b[0];
    p->id_in = b[1];
    return 0;
}

static int start_snapshot(const struct archive *ar, struct home *h, const struct pipes *p,
                          pid_t *pid, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, ar->program, "snapshot", h->author_name, h->author_email, NULL);
    strv_pushf(&argv, "%d", p->pack_in);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = ar->program;
    spec.argv = argv.v;
    spec.envp = h->env.v;
    spec.stdout_fd = p->id_in;
    spec.stderr_fd = STDERR_FILENO;
    spec.new_group = true;
    spec.keep_fds = &p->pack_in;
    spec.n_keep_fds = 1;
    spec.before_exec = sandbox_child_enter;
    spec.payload = &h->child;
    return proc_start(&spec, pid, err);
}

/* Reads what there is until the end of the stream or the time is over. */
static int read_some(int fd, char *buf, size_t size, int64_t until, size_t *n, struct err *err)
{
    for (;;) {
        int64_t left = until - clock_mono_ms(&clock_real);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready == 0)
            return err_set(err, ERR_TIMEOUT, "a worktree takes too long");
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 ? read(fd, buf, size) : -1;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "read snapshot");
        *n = (size_t)got;
        return 0;
    }
}

static int take_pack(int fd, struct pack_import *import, int64_t until, bool *any, struct err *err)
{
    cleanup_free char *buf = xmalloc(PIECE);
    for (;;) {
        size_t n = 0;
        int rc = read_some(fd, buf, PIECE, until, &n, err);
        if (rc < 0 || n == 0)
            return rc;
        *any = true;
        rc = pack_import_data(import, buf, n, err);
        if (rc < 0)
            return rc;
    }
}

static int take_id(int fd, int64_t until, struct oid *out, struct err *err)
{
    char text[OID_HEX + 2] = "";
    size_t len = 0, n = 0;
    do {
        int rc = read_some(fd, text + len, sizeof text - len, until, &n, err);
        if (rc < 0)
            return rc;
        len += n;
    } while (n > 0 && len < sizeof text);
    if (len != OID_HEX + 1 || text[OID_HEX] != '\n')
        return err_set(err, ERR_FAILED, "a snapshot failed");
    return oid_parse(text, OID_HEX, out, err);
}

static int take_snapshot(const struct archive *ar, const struct home *h, const struct pipes *p,
                         struct err *err)
{
    int64_t until = clock_mono_ms(&clock_real) + ARCHIVE_HOME_SECONDS * 1000;
    struct pack_import_opts opts = {
        .repo_dir = ar->canonical,
        .before_exec = sandbox_child_enter,
        .payload = ar->import_child,
        .has_uid = !ar->local,
        .uid = ar->import_child->uid,
        .gid = ar->import_child->gid,
    };
    struct pack_import *import = NULL;
    struct oid commit = {{0}}, head;
    bool any = false;
    int rc = pack_import_begin(&opts, &import, err);
    if (rc == 0)
        rc = take_pack(p->pack, import, until, &any, err);
    if (rc == 0)
        rc = take_id(p->id, until, &commit, err);
    if (rc == 0 && !oid_is_zero(&commit)) {
        cleanup_free char *ref = xasprintf(UNSYNCED_PREFIX "%s", h->name);
        struct pack_claim claim = {.ref = ref,
                                   .commit = commit,
                                   .free_ref = true,
                                   .author_name = h->author_name,
                                   .author_email = h->author_email,
                                   .log = "archive"};
        rc = pack_import_wait(import, &claim, &head, err);
    }
    pack_import_free(import);
    return rc;
}

static int archive_home(const struct archive *ar, struct home *h, struct err *err)
{
    cleanup(pipes_close) struct pipes p = {-1, -1, -1, -1};
    pid_t pid;
    int rc = pipes_open(&p, err);
    if (rc == 0)
        rc = start_snapshot(ar, h, &p, &pid, err);
    if (rc < 0)
        return rc;
    cleanup_closep(&p.pack_in);
    cleanup_closep(&p.id_in);
    p.pack_in = p.id_in = -1;
    rc = take_snapshot(ar, h, &p, err);
    /* Whatever became of it, it ends now; its uid signals, the agent may not. */
    if (h->child.uid != (uid_t)-1)
        (void)sandbox_kill_as(h->child.uid, h->child.gid, -pid, SIGKILL);
    else
        (void)kill(-pid, SIGKILL);
    int status = 0;
    (void)proc_wait(pid, &status, NULL);
    return rc < 0 ? err_wrap(err, "worktree of %s", h->name) : 0;
}

/* --- the bundle --------------------------------------------------------------------------------
 */

static int open_scratch(const struct archive *ar, struct err *err)
{
    int fd = open(ar->scratch, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    cleanup_free char *path = path_join(ar->scratch, "archive.bundle");
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(err, "%s", path);
    (void)unlink(path);
    return fd;
}

static int list_refs(const struct archive *ar, struct strv *refs, struct strv *not_refs,
                     struct err *err)
{
    cleanup_repo struct repo *repo = NULL;
    struct oid oid;
    int rc = repo_open(ar->canonical, &repo, err);
    if (rc < 0)
        return rc;
    strv_push(refs, ar->branch_ref);
    for (size_t i = 0; i < ar->n_homes; i++) {
        cleanup_free char *ref = xasprintf(UNSYNCED_PREFIX "%s", ar->homes[i].name);
        if (repo_ref_read(repo, ref, &oid, NULL) == 0)
            strv_push(refs, ref);
    }
    static const char *const known[] = {BASE_REF, PUBLISHED_REF};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (repo_ref_read(repo, known[i], &oid, NULL) == 0)
            strv_push(not_refs, known[i]);
    return 0;
}

static int make_bundle(struct archive *ar, struct err *err)
{
    cleanup_strv struct strv refs = STRV_INIT;
    cleanup_strv struct strv not_refs = STRV_INIT;
    cleanup_close int fd = -1;
    int rc = list_refs(ar, &refs, &not_refs, err);
    if (rc < 0)
        return rc;
    fd = open_scratch(ar, err);
    if (fd < 0)
        return fd;
    struct err why = ERR_INIT;
    rc = pack_bundle(ar->canonical, refs.v, refs.len, not_refs.v, not_refs.len, fd, &why);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc < 0)
        return err_set(err, rc, "%s", why.msg);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_errno(err, "bundle");
    ar->fd = steal_fd(&fd);
    return 0;
}

static void run(void *payload)
{
    struct archive *ar = payload;
    for (size_t i = 0; i < ar->n_homes; i++)
        if (archive_home(ar, &ar->homes[i], &ar->err) < 0)
            return;
    (void)make_bundle(ar, &ar->err);
}

/* --- begin and end, on the loop's thread
 * ---------------------------------------------------------- */

static void add_home(struct archive *ar, const struct agent *a, const struct account *account)
{
    cleanup_free char *home = path_join(a->layout.home, account->name);
    struct stat st;
    if (lstat(home, &st) != 0)
        return;
    struct home *h = &ar->homes[ar->n_homes++];
    *h = (struct home){.name = xstrdup(account->name), .env = STRV_INIT};
    people_author(a, account->provider, account->login, &h->author_name, &h->author_email);
    h->child = (struct sandbox_child){
        .uid = a->local ? (uid_t)-1 : account->uid,
        .gid = a->local ? (gid_t)-1 : account->uid,
    };
    people_env(a, account, &h->env);
}

static void archive_free(struct archive *ar)
{
    for (size_t i = 0; i < ar->n_homes; i++) {
        free(ar->homes[i].name);
        free(ar->homes[i].author_name);
        free(ar->homes[i].author_email);
        strv_release(&ar->homes[i].env);
    }
    free(ar->homes);
    free(ar->canonical);
    free(ar->branch_ref);
    free(ar->scratch);
    free(ar->program);
    free(ar);
}

static void done(void *payload)
{
    struct archive *ar = payload;
    ar->done(ar->fd, &ar->err, ar->payload);
    archive_free(ar);
}

void archive_make(struct agent *a, archive_fn fn, void *payload)
{
    struct archive *ar = xcalloc(1, sizeof *ar);
    *ar = (struct archive){
        .agent = a,
        .done = fn,
        .payload = payload,
        .local = a->local,
        .canonical = xstrdup(a->layout.canonical),
        .branch_ref = xasprintf("refs/heads/%s", a->spec.session_branch),
        .scratch = xstrdup(a->layout.scratch),
        .program = path_join(a->layout.programs, "steadystate-agent"),
        .import_child = &a->import_child,
        .homes = xcalloc(a->accounts.len, sizeof(struct home)),
        .fd = -1,
    };
    for (size_t i = 0; i < a->accounts.len; i++)
        add_home(ar, a, &a->accounts.v[i]);
    jobs_add(a->jobs, run, done, ar);
}
