/* Giving start-up memory back. */
#ifndef DAEMON_TRIM_H
#define DAEMON_TRIM_H

/*
 * Loading some sixty libraries maps and reads pages that are not needed again: symbol tables,
 * start-up code and what the kernel read ahead. Unmodified pages of read-only file mappings are
 * dropped (the next use reads them from the page cache), free heap goes back to the system. Threads
 * may run meanwhile. Does nothing where /proc cannot be read.
 */
void trim_memory(void);

#endif
