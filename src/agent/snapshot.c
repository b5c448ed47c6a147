#include "agent/archive.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/repo.h"
#include "sync/sync.h"

int archive_snapshot(const char *author_name, const char *author_email, int pack_fd)
{
    struct err err = ERR_INIT;
    cleanup(sync_place_release) struct sync_place place = {0};
    struct oid commit = {{0}};
    char text[OID_HEX + 2];
    int rc = repo_library_init(false, &err);
    if (rc == 0)
        rc = sync_place_from_env(&place, &err);
    if (rc == 0)
        rc = sync_snapshot(&place, author_name, author_email, pack_fd, &commit, &err);
    /* Never logged in: nothing of theirs is here. */
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        log_error("snapshot: %s", err.msg);
        return 1;
    }
    oid_format(&commit, text);
    text[OID_HEX] = '\n';
    return fd_write_full(STDOUT_FILENO, text, OID_HEX + 1, &err) == 0 ? 0 : 1;
}
