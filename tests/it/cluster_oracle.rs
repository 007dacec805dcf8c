//! A cluster against what is known without one.
