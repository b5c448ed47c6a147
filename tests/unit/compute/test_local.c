/* The local provider's files and processes, without an agent. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "compute/local/internal.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbb"

struct fixture {
    char dir[64];
    char root[96];
    struct local local;
    struct local_account account;
    int root_fd;
    struct session_spec spec;
};

static void make_spec(struct session_spec *spec)
{
    session_spec_init(spec);
    memcpy(spec->id, ID_A, sizeof ID_A);
    spec->server_id = xstrdup("server");
    spec->mode = xstrdup("collab");
    spec->environment = xstrdup("noenv");
    spec->repo_url = xstrdup("https://forge.example/app.git");
    spec->repo_name = xstrdup("app");
    spec->session_branch = xstrdup("steadystate/collab/" ID_A);
    spec->creator_login = xstrdup("ann");
    spec->creator_provider = xstrdup("sshkey");
    spec->ssh_user = xstrdup("steadystate");
    spec->ssh_host = xstrdup("127.0.0.1");
    spec->ssh_bind = xstrdup("127.0.0.1");
    spec->ssh_port = 2222;
    spec->host_key = xstrdup("PRIVATE KEY");
    spec->host_key_public = xstrdup("ssh-ed25519 AAAA");
    spec->magic_link = xstrdup("steadystate://collab/x");
    spec->created_at = 1;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/steadystate-local-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->root, sizeof f->root, "%s/sessions", f->dir);
    f->local = (struct local){.server_id = xstrdup("server"), .root = f->root};
    f->account = (struct local_account){.uid = geteuid(), .gid = getegid()};
    f->root_fd = files_open_root(&f->local, NULL);
    assert_true(f->root_fd >= 0);
    make_spec(&f->spec);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close(f->root_fd);
    path_remove_tree(AT_FDCWD, f->dir, NULL);
    session_spec_release(&f->spec);
    free(f->local.server_id);
    free(f);
    return 0;
}

static void test_made_listed_removed(void **state)
{
    struct fixture *f = *state;
    char hash[65];
    char own[65];
    struct provider_sessions found = {0};
    struct stat st;
    cleanup_str struct str text = STR_INIT;
    assert_int_equal(files_make(&f->local, f->root_fd, &f->spec, &f->account, NULL), 0);
    assert_int_equal(files_read_mark(&f->local, f->root_fd, ID_A, hash, NULL), 0);
    session_spec_hash(&f->spec, own);
    assert_string_equal(hash, own);

    /* The key is in its own file and nowhere else. */
    assert_int_equal(fd_read_file(f->root_fd, ID_A "/ssh/host_key", 100, &text, NULL), 0);
    assert_string_equal(text.p, "PRIVATE KEY");
    str_clear(&text);
    assert_int_equal(fd_read_file(f->root_fd, ID_A "/spec.json", 100000, &text, NULL), 0);
    assert_null(strstr(text.p, "PRIVATE KEY"));
    assert_int_equal(fstatat(f->root_fd, ID_A "/ssh/host_key", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fstatat(f->root_fd, ID_A, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    /* Again: what is there stays. */
    assert_int_equal(fd_write_file(f->root_fd, ID_A "/work", "x", 1, 0600, NULL), 0);
    assert_int_equal(files_make(&f->local, f->root_fd, &f->spec, &f->account, NULL), 0);
    assert_int_equal(fstatat(f->root_fd, ID_A "/work", &st, 0), 0);

    assert_int_equal(files_list(&f->local, f->root_fd, &found, NULL), 0);
    assert_int_equal(found.len, 1);
    assert_string_equal(found.v[0].id, ID_A);
    provider_sessions_release(&found);
    assert_int_equal(files_remove(f->root_fd, ID_A, NULL), 0);
    assert_int_equal(files_remove(f->root_fd, ID_A, NULL), 0);
    assert_int_equal(files_list(&f->local, f->root_fd, &found, NULL), 0);
    assert_int_equal(found.len, 0);
    provider_sessions_release(&found);
}

static void test_another_servers_sessions_are_not_ours(void **state)
{
    struct fixture *f = *state;
    struct local other = {.server_id = (char[]){"other"}, .root = f->root};
    struct provider_sessions found = {0};
    char hash[65];
    assert_int_equal(files_make(&f->local, f->root_fd, &f->spec, &f->account, NULL), 0);
    assert_int_equal(files_read_mark(&other, f->root_fd, ID_A, hash, NULL), ERR_NOT_FOUND);
    assert_int_equal(files_list(&other, f->root_fd, &found, NULL), 0);
    assert_int_equal(found.len, 0);
    provider_sessions_release(&found);
}

static void test_half_made_is_made_anew(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(mkdirat(f->root_fd, ID_A ".part", 0700), 0);
    assert_int_equal(symlinkat("/etc", f->root_fd, ID_A ".part/ssh"), 0);
    assert_int_equal(files_make(&f->local, f->root_fd, &f->spec, &f->account, NULL), 0);
    assert_int_equal(fstatat(f->root_fd, ID_A "/ssh/host_key", &st, 0), 0);
    assert_int_not_equal(fstatat(f->root_fd, ID_A ".part", &st, 0), 0);
}

static void test_roots_that_sshd_would_refuse(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    /* /tmp can be written by everybody, and nobody can take away what is not theirs. */
    assert_int_equal(files_check_root(&f->local, &f->account, NULL), 0);
    assert_int_equal(chmod(f->root, 0777), 0);
    assert_int_equal(files_check_root(&f->local, &f->account, &err), ERR_DENIED);
    assert_non_null(strstr(err.msg, "can be written by others"));
    err_clear(&err);
    struct local other = {.server_id = (char[]){"s"}, .root = (char[]){"/usr"}, .as_root = true};
    const struct local_account nobody = {.uid = 65534, .gid = 65534, .name = "nobody"};
    assert_int_equal(files_check_root(&other, &nobody, &err), 0);
    assert_int_equal(chmod(f->root, 0700), 0);
}

static void test_socket_must_be_the_agents(void **state)
{
    struct fixture *f = *state;
    pid_t pid = 0;
    assert_int_equal(files_make(&f->local, f->root_fd, &f->spec, &f->account, NULL), 0);
    assert_int_equal(local_agent_connect(&f->local, f->root_fd, ID_A, &f->account, &pid, NULL),
                     ERR_NOT_FOUND);
    cleanup_free char *path = path_join(f->root, ID_A "/ctl.sock");
    cleanup_free char *aside = path_join(f->root, "elsewhere.sock");
    cleanup_close int elsewhere = fd_unix_listen(aside, 0600, 5, NULL);
    assert_true(elsewhere >= 0);
    /* A link to another socket is not followed. */
    assert_int_equal(symlink(aside, path), 0);
    assert_true(local_agent_connect(&f->local, f->root_fd, ID_A, &f->account, &pid, NULL) < 0);
    assert_int_equal(unlink(path), 0);
    cleanup_close int listener = fd_unix_listen(path, 0600, 5, NULL);
    cleanup_close int fd =
        local_agent_connect(&f->local, f->root_fd, ID_A, &f->account, &pid, NULL);
    assert_true(fd >= 0);
    assert_int_equal(pid, getpid());
    /* Nor is one that belongs to somebody else believed. */
    const struct local_account stranger = {.uid = geteuid() + 1};
    assert_int_equal(local_agent_connect(&f->local, f->root_fd, ID_A, &stranger, &pid, NULL),
                     ERR_DENIED);
}

static pid_t sleeper(const char *env, const char *arg)
{
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"trap '' TERM; read x"},
                          (char *)(uintptr_t)arg, NULL};
    char *const envp[] = {(char *)(uintptr_t)env, NULL};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "/bin/sh";
    spec.argv = argv;
    spec.envp = envp;
    spec.stdin_fd = fds[0];
    pid_t pid = 0;
    assert_int_equal(proc_start(&spec, &pid, NULL), 0);
    close(fds[0]); /* the other end stays open for as long as the test */
    return pid;
}

static void test_leftovers_are_found_and_killed(void **state)
{
    struct fixture *f = *state;
    cleanup_free char *dir = path_join(f->root, ID_A);
    cleanup_free char *below = path_join(dir, "agent.log");
    pid_t by_env = sleeper("SESSION_ID=" ID_A, "x");
    pid_t by_arg = sleeper("A=b", dir);
    pid_t other = sleeper("SESSION_ID=" ID_B, below);
    int status = 0;
    /* They are our children, so they stay as zombies, which have neither arguments nor environment.
     */
    assert_int_equal(procs_end(dir, ID_A, geteuid(), 40, NULL), 0);
    assert_int_equal(waitpid(by_env, &status, 0), by_env);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(waitpid(by_arg, &status, 0), by_arg);
    assert_int_equal(waitpid(other, &status, WNOHANG), 0);
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
    assert_int_equal(procs_end(dir, ID_A, geteuid(), 0, NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_made_listed_removed),       T(test_another_servers_sessions_are_not_ours),
        T(test_half_made_is_made_anew),    T(test_roots_that_sshd_would_refuse),
        T(test_socket_must_be_the_agents), T(test_leftovers_are_found_and_killed),
    };
    return cmocka_run_group_tests_name("compute/local", tests, NULL, NULL);
}
