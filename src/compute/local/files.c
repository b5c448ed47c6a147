#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "compute/local/internal.h"

#define MARK_MAX 4096
#define LOG_TAIL 4096

int files_open_root(const struct local *l, struct err *err)
{
    struct stat st;
    int rc = path_make_dirs(l->root, 0700, err);
    if (rc)
        return rc;
    cleanup_close int fd = open(l->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(err, "open %s", l->root);
    /* The account passes through to its own sessions and lists nothing. */
    if (l->as_root && st.st_uid == 0 && (st.st_mode & 0777) == 0700 && fchmod(fd, 0711) != 0)
        return err_errno(err, "chmod %s", l->root);
    return steal_fd(&fd);
}

/* Keys are taken only from below directories in which nobody else can put others. */
static int check_dir(const struct local *l, const char *path, const struct local_account *account,
                     struct err *err)
{
    struct stat st;
    bool sticky = false;
    if (stat(path, &st) != 0)
        return err_errno(err, "%s", path);
    if (path_dir_is_open(&st, account->uid, &sticky))
        return err_set(err, ERR_DENIED,
                       "session root %s: %s can be written by others; choose another "
                       "STEADYSTATE_SESSION_ROOT",
                       l->root, path);
    bool may_enter =
        st.st_uid == account->uid ? (st.st_mode & 0100) != 0 : (st.st_mode & 0001) != 0;
    if (l->as_root && !may_enter)
        return err_set(err, ERR_DENIED,
                       "session root %s: account %s cannot enter %s; choose another "
                       "STEADYSTATE_SESSION_ROOT",
                       l->root, account->name, path);
    return 0;
}

int files_check_root(const struct local *l, const struct local_account *account, struct err *err)
{
    cleanup_free char *real = realpath(l->root, NULL);
    if (!real)
        return err_errno(err, "%s", l->root);
    for (;;) {
        int rc = check_dir(l, real[0] ? real : "/", account, err);
        char *slash = strrchr(real, '/');
        if (rc || !slash)
            return rc;
        *slash = '\0';
    }
}

static void mark_name(const char *id, char out[40])
{
    snprintf(out, 40, "%s.json", id);
}

static int write_mark(const struct local *l, int root_fd, const struct session_spec *spec,
                      struct err *err)
{
    char name[40];
    char hash[65];
    cleanup_json struct json_object *obj = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    mark_name(spec->id, name);
    session_spec_hash(spec, hash);
    json_add_str(obj, "server_id", l->server_id);
    json_add_str(obj, "spec_hash", hash);
    json_print(obj, &text);
    return fd_write_file(root_fd, name, text.p, text.len, 0600, err);
}

int files_read_mark(const struct local *l, int root_fd, const char *id, char spec_hash[65],
                    struct err *err)
{
    char name[40];
    const char *server = NULL;
    const char *hash = NULL;
    cleanup_str struct str text = STR_INIT;
    cleanup_json struct json_object *obj = NULL;
    mark_name(id, name);
    int rc = fd_read_file(root_fd, name, MARK_MAX, &text, err);
    if (rc == 0)
        rc = json_parse(text.p, text.len, &obj, err);
    if (rc == 0)
        rc = json_get_str(obj, "server_id", 64, &server, err);
    if (rc == 0)
        rc = json_get_str(obj, "spec_hash", 64, &hash, err);
    if (rc)
        return rc;
    if (strcmp(server, l->server_id) != 0)
        return err_set(err, ERR_NOT_FOUND, "session %s belongs to another server", id);
    snprintf(spec_hash, 65, "%s", hash);
    return 0;
}

static int give(int dir_fd, const char *name, const struct local_account *account,
                const struct local *l, struct err *err)
{
    if (l->as_root && fchownat(dir_fd, name, account->uid, account->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return err_errno(err, "give %s to %s", name, account->name);
    return 0;
}

static int make_dir(int dir_fd, const char *name, struct err *err)
{
    if (mkdirat(dir_fd, name, 0700) != 0 && errno != EEXIST)
        return err_errno(err, "make %s", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : err_errno(err, "open %s", name);
}

static int write_json(int dir_fd, const char *name, struct json_object *obj, struct err *err)
{
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    return fd_write_file(dir_fd, name, text.p, text.len, 0600, err);
}

/* Filled while it is still ours; given away last, so that nobody can plant a link in between. */
static int fill(const struct local *l, int dir_fd, const struct session_spec *spec,
                const struct local_account *account, struct err *err)
{
    cleanup_json struct json_object *plain = session_spec_to_json(spec, false);
    int rc = make_dir(dir_fd, "ssh", err);
    if (rc < 0)
        return rc;
    cleanup_close int ssh_fd = rc;
    if ((rc = fd_write_file(ssh_fd, "host_key", spec->host_key, strlen(spec->host_key), 0600,
                            err)) != 0 ||
        (rc = give(ssh_fd, "host_key", account, l, err)) != 0 ||
        (rc = give(dir_fd, "ssh", account, l, err)) != 0 ||
        (rc = write_json(dir_fd, "spec.json", plain, err)) != 0)
        return rc;
    return give(dir_fd, "spec.json", account, l, err);
}

static bool exists(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int files_make(const struct local *l, int root_fd, const struct session_spec *spec,
               const struct local_account *account, struct err *err)
{
    char part[40];
    int rc = write_mark(l, root_fd, spec, err);
    if (rc || exists(root_fd, spec->id))
        return rc;
    snprintf(part, sizeof part, "%s.part", spec->id);
    if ((rc = path_remove_tree(root_fd, part, err)) != 0 || (rc = make_dir(root_fd, part, err)) < 0)
        return rc;
    cleanup_close int dir_fd = rc;
    if ((rc = fill(l, dir_fd, spec, account, err)) != 0 ||
        (rc = give(root_fd, part, account, l, err)) != 0)
        return rc;
    if (renameat(root_fd, part, root_fd, spec->id) != 0 || fsync(root_fd) != 0)
        return err_errno(err, "make session directory");
    return 0;
}

int files_remove(int root_fd, const char *id, struct err *err)
{
    char part[40];
    char mark[40];
    snprintf(part, sizeof part, "%s.part", id);
    mark_name(id, mark);
    int rc = path_remove_tree(root_fd, id, err);
    if (rc == 0)
        rc = path_remove_tree(root_fd, part, err);
    if (rc == 0 && unlinkat(root_fd, mark, 0) != 0 && errno != ENOENT)
        rc = err_errno(err, "remove %s", mark);
    return rc;
}

int files_list(const struct local *l, int root_fd, struct provider_sessions *out, struct err *err)
{
    int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int rc = err_errno(err, "read %s", l->root);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    for (struct dirent *item; (item = readdir(dir));) {
        struct provider_session found = {0};
        if (strlen(item->d_name) != SESSION_ID_LEN + 5 ||
            strcmp(item->d_name + SESSION_ID_LEN, ".json") != 0)
            continue;
        memcpy(found.id, item->d_name, SESSION_ID_LEN);
        if (!session_id_is_valid(found.id) ||
            files_read_mark(l, root_fd, found.id, found.spec_hash, NULL) != 0)
            continue;
        VEC_GROW(out->v, out->len, out->cap);
        out->v[out->len++] = found;
    }
    closedir(dir);
    return 0;
}

void files_last_log(int root_fd, const char *id, struct str *out)
{
    cleanup_free char *path = path_join(id, "agent.log");
    cleanup_close int fd = path_open_beneath(root_fd, path, O_RDONLY | O_NONBLOCK, 0, NULL);
    struct stat st;
    char tail[LOG_TAIL];
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    off_t from = st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0;
    ssize_t n = pread(fd, tail, sizeof tail, from);
    while (n > 0 && tail[n - 1] == '\n')
        n--;
    ssize_t start = n;
    while (start > 0 && tail[start - 1] != '\n')
        start--;
    if (n > start)
        str_add_printable(out, tail + start, (size_t)(n - start));
}
