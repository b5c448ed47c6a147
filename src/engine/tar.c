#include "engine/tar.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

#define BLOCK 512
#define ID_MAX 07777777 /* seven octal digits */

/* Offsets of the ustar header. */
enum {
    OFF_NAME = 0,
    OFF_MODE = 100,
    OFF_UID = 108,
    OFF_GID = 116,
    OFF_SIZE = 124,
    OFF_MTIME = 136,
    OFF_CHECKSUM = 148,
    OFF_TYPE = 156,
    OFF_MAGIC = 257,
};

static void put_octal(char *field, size_t width, unsigned long value)
{
    field[width - 1] = '\0';
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        field[i] = (char)('0' + (value & 7));
}

static int add_header(struct str *tar, const char *name, char type, mode_t mode, uid_t uid,
                      gid_t gid, size_t size, struct err *err)
{
    static const char magic[] = {'u', 's', 't', 'a', 'r', 0, '0', '0'}; /* and version */
    char block[BLOCK] = {0};
    size_t len = strlen(name);
    if (!path_is_clean_rel(name) || len + (type == '5') > TAR_NAME_MAX)
        return err_set(err, ERR_INVALID, "not a name for an archive: %.100s", name);
    if (size > TAR_FILE_MAX || uid > ID_MAX || gid > ID_MAX)
        return err_set(err, ERR_LIMIT, "%s does not fit into an archive", name);
    /* Not terminated when it fills its field. */
    for (size_t i = 0; i < len; i++)
        block[OFF_NAME + i] = name[i];
    if (type == '5')
        block[OFF_NAME + len] = '/';
    put_octal(block + OFF_MODE, 8, mode & 07777);
    put_octal(block + OFF_UID, 8, uid);
    put_octal(block + OFF_GID, 8, gid);
    put_octal(block + OFF_SIZE, 12, size);
    put_octal(block + OFF_MTIME, 12, 0);
    block[OFF_TYPE] = type;
    memcpy(block + OFF_MAGIC, magic, sizeof magic);
    /* The checksum counts its own field as spaces. */
    memset(block + OFF_CHECKSUM, ' ', 8);
    unsigned long sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)block[i];
    put_octal(block + OFF_CHECKSUM, 7, sum);
    str_add(tar, block, BLOCK);
    return 0;
}

int tar_add_file(struct str *tar, const char *name, mode_t mode, uid_t uid, gid_t gid,
                 const void *data, size_t n, struct err *err)
{
    static const char zero[BLOCK];
    int rc = add_header(tar, name, '0', mode, uid, gid, n, err);
    if (rc < 0)
        return rc;
    if (n)
        str_add(tar, data, n);
    if (n % BLOCK)
        str_add(tar, zero, BLOCK - n % BLOCK);
    return 0;
}

int tar_add_dir(struct str *tar, const char *name, mode_t mode, uid_t uid, gid_t gid,
                struct err *err)
{
    return add_header(tar, name, '5', mode, uid, gid, 0, err);
}

void tar_finish(struct str *tar)
{
    static const char zero[2 * BLOCK];
    str_add(tar, zero, sizeof zero);
}
