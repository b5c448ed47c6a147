#include "ssh/sign.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "ssh/agent_client.h"
#include "ssh/privkey.h"
#include "ssh/sshsig.h"

#define HASH "sha512"

static int copy_key(const struct ssh_key *from, struct ssh_key *to)
{
    if (to)
        ssh_key_copy(from, to);
    return 0;
}

int ssh_sign_agent(const char *socket_path, const struct ssh_key *key, const char *name_space,
                   const void *msg, size_t len, struct str *armored, struct err *err)
{
    cleanup_str struct str tbs = STR_INIT;
    cleanup_str struct str signature = STR_INIT;
    int rc = sshsig_tbs(name_space, HASH, msg, len, &tbs, err);
    if (!rc)
        rc = ssh_agent_sign(socket_path, key, tbs.p, tbs.len, &signature, err);
    if (rc)
        return rc;
    sshsig_armor(key, name_space, HASH, signature.p, signature.len, armored);
    return 0;
}

static int sign_here(const struct ssh_privkey *key, const char *name_space, const void *msg,
                     size_t len, struct str *armored, struct err *err)
{
    cleanup_str struct str tbs = STR_INIT;
    cleanup_str struct str signature = STR_INIT;
    int rc = sshsig_tbs(name_space, HASH, msg, len, &tbs, err);
    if (!rc)
        rc = ssh_privkey_sign(key, tbs.p, tbs.len, &signature, err);
    if (rc)
        return rc;
    sshsig_armor(ssh_privkey_public(key), name_space, HASH, signature.p, signature.len, armored);
    return 0;
}

static int pipe_pair(int fds[2], struct err *err)
{
    return pipe2(fds, O_CLOEXEC) ? err_errno(err, "pipe") : 0;
}

/* ssh-keygen asks on the terminal, which it opens itself; its own words go to our stderr. */
static int start_keygen(const char *path, char *const *envp, const char *name_space, int in,
                        int out, pid_t *pid, struct err *err)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, "ssh-keygen", "-Y", "sign", "-f", path, "-n", name_space, NULL);
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = "ssh-keygen";
    spec.argv = argv.v;
    spec.envp = envp;
    spec.stdin_fd = in;
    spec.stdout_fd = out;
    spec.stderr_fd = STDERR_FILENO;
    return proc_start(&spec, pid, err);
}

static int sign_by_keygen(const char *path, char *const *envp, const char *name_space,
                          const void *msg, size_t len, struct str *armored, struct err *err)
{
    cleanup_close int in_r = -1;
    cleanup_close int in_w = -1;
    cleanup_close int out_r = -1;
    cleanup_close int out_w = -1;
    int in[2], out[2];
    if (pipe_pair(in, err))
        return err->code;
    in_r = in[0], in_w = in[1];
    if (pipe_pair(out, err))
        return err->code;
    out_r = out[0], out_w = out[1];
    pid_t pid;
    int rc = start_keygen(path, envp, name_space, in_r, out_w, &pid, err);
    if (rc)
        return rc;
    close(steal_fd(&in_r));
    close(steal_fd(&out_w));
    /* A challenge is far smaller than a pipe's buffer, so this cannot wait for the child. */
    rc = fd_write_full(in_w, msg, len, err);
    close(steal_fd(&in_w));
    if (!rc)
        rc = fd_read_all(out_r, SSHSIG_ARMOR_MAX, armored, err);
    int status = 0;
    int waited = proc_wait(pid, &status, rc ? NULL : err);
    if (rc || waited)
        return rc ? rc : waited;
    return status == 0 ? 0
                       : err_set(err, ERR_DENIED, "ssh-keygen could not sign with %s (status %d)",
                                 path, status);
}

/* A public key file names a key that the agent holds. */
static int try_public(const struct str *text, const char *socket_path, const char *name_space,
                      const void *msg, size_t len, struct str *armored, struct ssh_key *signer,
                      struct err *err)
{
    size_t n = text->len;
    while (n && (text->p[n - 1] == '\n' || text->p[n - 1] == '\r'))
        n--;
    cleanup_ssh_key struct ssh_key key;
    if (ssh_key_parse_line(text->p, n, &key, NULL))
        return ERR_UNSUPPORTED;
    int rc = ssh_sign_agent(socket_path, &key, name_space, msg, len, armored, err);
    return rc ? rc : copy_key(&key, signer);
}

static int signer_of(const struct str *armored, size_t from, struct ssh_key *signer,
                     struct err *err)
{
    cleanup_sshsig struct sshsig sig;
    int rc = sshsig_parse_armor(armored->p + from, armored->len - from, &sig, err);
    return rc ? rc : copy_key(&sig.key, signer);
}

int ssh_sign_file(const char *path, const char *socket_path, char *const *envp,
                  const char *name_space, const void *msg, size_t len, struct str *armored,
                  struct ssh_key *signer, struct err *err)
{
    cleanup_str_secret struct str text = STR_INIT;
    cleanup_ssh_privkey struct ssh_privkey *key = NULL;
    struct err own = ERR_INIT;
    err = err ? err : &own;
    /* People keep their keys elsewhere and link to them. */
    cleanup_free char *real = realpath(path, NULL);
    if (!real)
        return err_errno(err, "%s", path);
    int rc = fd_read_file(AT_FDCWD, real, SSH_PRIVKEY_FILE_MAX, &text, err);
    if (rc)
        return rc;
    rc = try_public(&text, socket_path, name_space, msg, len, armored, signer, err);
    if (rc != ERR_UNSUPPORTED)
        return rc;
    struct err why = ERR_INIT;
    rc = ssh_privkey_parse(text.p, text.len, &key, &why);
    if (rc == 0) {
        rc = sign_here(key, name_space, msg, len, armored, err);
        return rc ? rc : copy_key(ssh_privkey_public(key), signer);
    }
    if (rc != ERR_UNSUPPORTED) {
        err_set(err, rc, "%s", why.msg);
        return err_wrap(err, "%s", path);
    }
    size_t from = armored->len;
    rc = sign_by_keygen(path, envp, name_space, msg, len, armored, err);
    return rc ? rc : signer_of(armored, from, signer, err);
}
