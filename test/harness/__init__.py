"""What the live tests, the benches and the demo share: servers, the millrace process, load, oracle."""
