insert into t_gen (id) values (1);
insert into t_gen (id, a, s) values (2, null, ''), (3, 7, 'x');
update t_gen set a = 8 where id = 3;
