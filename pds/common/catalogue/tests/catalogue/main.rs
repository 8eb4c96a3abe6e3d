//! The catalogue over a directory in memory: held against a map, cut off at every write, damaged in every block, and
//! its reads and writes counted.

mod bounds;
mod cuts;
mod damage;
mod disk;
mod model;
mod parse;
mod room;
mod world;
