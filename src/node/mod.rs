//! The hallway: one process's machines. Routes connections, deadlines and notes between them.
