insert into t_nan values (1,'NaN','NaN',1),(2,'Infinity','-Infinity',2);
insert into t_nan values (3,0,0,'NaN');
insert into t_nan values (4,1,1,'Infinity'),(5,1,1,'-Infinity');
